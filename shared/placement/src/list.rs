//! The price list of today: us-east-1, Linux, US dollars, without free tier, savings plans and tax.
//!
//! | figures | read on | AWS page |
//! |---|---|---|
//! | Lambda GB-second and request | 2026-11-24 | <https://aws.amazon.com/lambda/pricing/> |
//! | Fargate vCPU-hour and GB-hour, Spot range | 2026-11-24 | <https://aws.amazon.com/fargate/pricing/> |
//! | EC2 on demand | 2026-11-24 | <https://aws.amazon.com/ec2/pricing/on-demand/> |
//! | EC2 Spot | 2026-11-24 | <https://aws.amazon.com/ec2/spot/pricing/> |
//! | Spot interruption frequency | 2026-11-24 | <https://aws.amazon.com/ec2/spot/instance-advisor/> |
//! | Lambda Managed Instances, fee of 15 % | 2026-09-20 | <https://aws.amazon.com/lambda/pricing/> |
//! | ECS Managed Instances, fee of the example | 2026-09-20 | <https://aws.amazon.com/ecs/pricing/> |
//!
//! AWS Batch itself costs nothing: a job costs the instance it runs on
//! (<https://aws.amazon.com/batch/pricing/>). Spot prices float; ours are typical values, and
//! [`Prices`] deserialises from JSON so that a caller can bring the price of the hour.

use crate::pricing::{FargatePrice, InstanceFamily, LambdaPrice, ManagedInstance, Prices, StartUp};

/// What Lambda asks for managing an instance, as a share of the instance's price on demand.
const LAMBDA_MANAGES_FOR: f64 = 0.15;

/// One `large` instance that Lambda manages. Lambda launches three at least, and a request costs what it costs
/// elsewhere.
fn managed_by_lambda(family: &InstanceFamily) -> ManagedInstance {
    ManagedInstance {
        service: "Lambda Managed Instances".to_owned(),
        size: format!("{}.large", family.name),
        usd_per_hour: family.large_hour * (1.0 + LAMBDA_MANAGES_FOR),
        as_of: "2026-09-20".to_owned(),
        source: "https://aws.amazon.com/lambda/pricing/".to_owned(),
    }
}

impl Prices {
    /// us-east-1, Linux on x86_64.
    ///
    /// Fargate Spot is 50 to 70 % off (AWS's pricing page); the middle is taken. EC2 Spot for the
    /// c family is the 0.033 USD of the pipelines' first cost table, and the same 61 % discount
    /// for the other families. Spot Instance Advisor's lowest band, under 5 % a month, is about
    /// 0.0001 an hour over the lifetime of an instance; a hundred times that, 1 % an hour, is
    /// reckoned, because jobs share the hours in which capacity is short.
    pub fn x86_64() -> Self {
        let instances = vec![
            InstanceFamily::new("c6i", 4, 0.085),
            InstanceFamily::new("m6i", 8, 0.096),
            InstanceFamily::new("r6i", 16, 0.126),
        ];
        Prices {
            as_of: "2026-11-24".to_owned(),
            lambda: LambdaPrice {
                gb_second: 0.000_016_666_7,
                request: 0.000_000_2,
                function_memory_mib: None,
            },
            fargate: FargatePrice {
                vcpu_hour: 0.040_48,
                gb_hour: 0.004_445,
            },
            fargate_spot: FargatePrice {
                vcpu_hour: 0.016_192,
                gb_hour: 0.001_778,
            },
            managed: vec![
                managed_by_lambda(&instances[0]),
                // The fee differs by type, and the page tells that of one: 0.037 USD on top of the instance's 0.306.
                ManagedInstance {
                    service: "ECS Managed Instances".to_owned(),
                    size: "c6a.2xlarge".to_owned(),
                    usd_per_hour: 0.306 + 0.037,
                    as_of: "2026-09-20".to_owned(),
                    source: "https://aws.amazon.com/ecs/pricing/".to_owned(),
                },
            ],
            instances,
            spot_interruptions_per_hour: 0.01,
            lambda_start: StartUp {
                shortest: 0.1,
                longest: 0.1,
            },
            fargate_start: StartUp {
                shortest: 10.0,
                longest: 20.0,
            },
            batch_start: StartUp {
                shortest: 60.0,
                longest: 240.0,
            },
        }
    }

    /// us-east-1, Linux on arm64 (Graviton): Lambda and Fargate are 20 % cheaper, and the
    /// seventh generation of EC2 15 %. What ECS asks for managing one of these instances is not known.
    pub fn arm64() -> Self {
        let instances = vec![
            InstanceFamily::new("c7g", 4, 0.072_5),
            InstanceFamily::new("m7g", 8, 0.081_6),
            InstanceFamily::new("r7g", 16, 0.107_1),
        ];
        Prices {
            lambda: LambdaPrice {
                gb_second: 0.000_013_333_4,
                ..Prices::x86_64().lambda
            },
            fargate: FargatePrice {
                vcpu_hour: 0.032_38,
                gb_hour: 0.003_56,
            },
            fargate_spot: FargatePrice {
                vcpu_hour: 0.012_952,
                gb_hour: 0.001_424,
            },
            managed: vec![managed_by_lambda(&instances[0])],
            instances,
            ..Prices::x86_64()
        }
    }
}
