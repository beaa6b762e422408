use super::*;

fn resources(vcpu: f64, memory_mib: u32) -> Resources {
    Resources { vcpu, memory_mib }
}

#[test]
fn the_cost_table_of_the_design() {
    let prices = Prices::x86_64();
    let rows = prices.hour_of_two_vcpus();
    let printed: Vec<_> = rows
        .iter()
        .map(|row| (row.placement.as_str(), row.usd.as_str()))
        .collect();
    let design = [
        ("LAMBDA", "0.18"),
        ("FARGATE", "0.098"),
        ("BATCH", "0.085"),
        ("BATCH_SPOT", "0.033"),
    ];
    assert_eq!(printed, design);
    assert_eq!(
        prices.lambda_start,
        StartUp {
            shortest: 0.1,
            longest: 0.1
        }
    );
    assert_eq!(
        prices.fargate_start,
        StartUp {
            shortest: 10.0,
            longest: 20.0
        }
    );
    assert_eq!(
        prices.batch_start,
        StartUp {
            shortest: 60.0,
            longest: 240.0
        }
    );
}

#[test]
fn sizes_are_the_smallest_that_hold_the_job() {
    let cases = [
        (Placement::Lambda, 1.0, 512, "1769 MB"),
        (Placement::Lambda, 0.1, 64, "177 MB"),
        (Placement::Lambda, 2.0, 8_000, "8000 MB"),
        (Placement::Fargate, 0.25, 1_500, "0.25 vCPU 2 GB"),
        (Placement::Fargate, 0.3, 600, "0.5 vCPU 1 GB"),
        (Placement::Fargate, 0.25, 9_000, "2 vCPU 9 GB"),
        (Placement::FargateSpot, 5.0, 17_000, "8 vCPU 20 GB"),
        (Placement::Fargate, 16.0, 122_880, "16 vCPU 120 GB"),
        (Placement::FargateSpot, 17.0, 512, "32 vCPU 60 GB"),
        (Placement::Fargate, 1.0, 122_881, "32 vCPU 244 GB"),
        (Placement::Batch, 2.0, 3_584, "c6i.large"),
        // An instance of 4 GiB has less than that for its jobs.
        (Placement::Batch, 2.0, 4_096, "m6i.large"),
        (Placement::BatchSpot, 2.0, 8_192, "r6i.large"),
        (Placement::Batch, 3.0, 4_096, "c6i.xlarge"),
        (Placement::Batch, 64.0, 1_000, "c6i.16xlarge"),
    ];
    let prices = Prices::x86_64();
    for (placement, vcpu, mib, size) in cases {
        assert_eq!(
            prices.offer(placement, &resources(vcpu, mib)).unwrap().size,
            size
        );
    }
}

#[test]
fn a_job_on_lambda_gets_and_pays_the_function_that_there_is() {
    let prices = Prices::x86_64().with_function(1_769);
    let offer = |vcpu, mib| prices.offer(Placement::Lambda, &resources(vcpu, mib));
    let (small, full) = (offer(0.1, 64).unwrap(), offer(1.0, 1_769).unwrap());
    assert_eq!((small.size.as_str(), &small), ("1769 MB", &full));
    for refused in [offer(1.1, 64), offer(0.1, 1_770)] {
        assert_eq!(refused.unwrap_err().memory_mib, 1_769);
    }
}

#[test]
fn work_that_ran_costs_its_start_up_too_unless_the_function_was_warm() {
    let prices = Prices::x86_64();
    let cost =
        |placement, vcpu, mib, seconds| prices.cost(placement, &resources(vcpu, mib), seconds);
    // An hour of 2 vCPU and 4 GB, and 15 s of start-up.
    let hour = 2.0 * prices.fargate.vcpu_hour + 4.0 * prices.fargate.gb_hour;
    let fargate = cost(Placement::Fargate, 2.0, 4_096, 3_600.0).unwrap();
    assert!(
        (fargate - hour * (1.0 + 15.0 / 3_600.0)).abs() < 1e-12,
        "{fargate}"
    );
    // A function is billed by the memory that it has, whatever vCPUs that brings and whatever others have.
    let lambda = 4.0 * 3_600.0 * prices.lambda.gb_second + prices.lambda.request;
    for prices in [&prices, &prices.clone().with_function(1_769)] {
        let given = Resources::of_function(4_096);
        let usd = prices.cost(Placement::Lambda, &given, 3_600.0).unwrap();
        assert!((usd - lambda).abs() < 1e-12, "{usd}");
    }
    assert!(cost(Placement::Fargate, 64.0, 512, 1.0).is_err());
}

#[test]
fn managed_instances_cost_more_than_the_instance() {
    for prices in [Prices::x86_64(), Prices::arm64()] {
        let family = &prices.instances[0];
        let managed = &prices.managed[0];
        assert_eq!(managed.size, format!("{}.large", family.name));
        assert!((managed.usd_per_hour / family.large_hour - 1.15).abs() < 1e-9);
    }
}

#[test]
fn the_stack_has_the_instances_that_are_priced() {
    let stack = include_str!("../../../serverless.yml");
    for (architecture, prices) in [("x86_64", Prices::x86_64()), ("arm64", Prices::arm64())] {
        let names: Vec<_> = prices.instances.iter().map(|f| f.name.as_str()).collect();
        let line = format!("    {architecture}: [{}]\n", names.join(", "));
        assert!(stack.contains(&line), "{line}");
        assert_eq!(architecture.parse::<Prices>().unwrap(), prices);
    }
    let batch = include_str!("../../../deploy/batch.yml");
    let (_, on_demand) = batch.split_once("MaxvCpus: ").unwrap();
    let most: u32 = on_demand.lines().next().unwrap().parse().unwrap();
    let giant = resources(f64::from(most) + 1.0, 512);
    let largest = Prices::x86_64()
        .offer(Placement::Batch, &giant)
        .unwrap_err();
    assert!(largest.vcpu <= most, "{largest}");
}

#[test]
fn what_is_too_large_is_refused_with_the_limit() {
    let prices = Prices::x86_64();
    for (placement, vcpu, mib, largest) in [
        (Placement::Lambda, 6.0, 512, (5, 10_240)),
        (Placement::Lambda, 1.0, 10_241, (5, 10_240)),
        (Placement::Fargate, 32.1, 512, (32, 249_856)),
        (Placement::FargateSpot, 1.0, 249_857, (32, 249_856)),
        (Placement::Batch, 64.1, 512, (64, 471_859)),
    ] {
        let refused = prices.offer(placement, &resources(vcpu, mib)).unwrap_err();
        assert_eq!((refused.vcpu, refused.memory_mib), largest, "{placement}");
    }
}

#[test]
fn arm64_is_cheaper_for_every_placement() {
    let (x86, arm) = (Prices::x86_64(), Prices::arm64());
    for placement in Placement::ALL {
        let of = |prices: &Prices| {
            prices
                .offer(placement, &resources(2.0, 4_096))
                .unwrap()
                .usd_per_hour
        };
        assert!(of(&arm) < of(&x86), "{placement}");
    }
}

#[test]
fn prices_can_be_given_as_json() {
    let json = serde_json::to_string(&Prices::arm64()).unwrap();
    assert_eq!(
        serde_json::from_str::<Prices>(&json).unwrap(),
        Prices::arm64()
    );
}
