//! What is run: the real pipelines, and small machines of every state type and integration form.

use end_to_end::root;
use serde_json::{Value, json};
use stack::Stack;

/// A state machine and how it is used.
pub struct Scenario {
    /// Name of the machine, and beginning of its executions' names.
    pub name: &'static str,
    /// Its definition; none for one of the stack's own machines.
    pub definition: Option<Value>,
    pub input: Value,
    /// How many executions a round starts.
    pub copies: usize,
    /// Whether it starts a process or stores an object, which fails for good reason while the disk is full.
    pub writes: bool,
}

/// Name of the activity that the driver serves.
pub const ACTIVITY: &str = "chaos-activity";
/// The pipelines of the product that take part.
pub const PIPELINES: [&str; 4] = ["ml-training", "data-pipeline", "hybrid-hello", "activity"];

/// One of the product's pipelines on a small input.
pub fn pipeline(name: &'static str) -> Scenario {
    let file = root().join(format!("statemachines/{name}.input.json"));
    let mut input: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let forest = json!({"nTrees": 60, "maxDepth": 10, "minSamplesLeaf": 1});
    match name {
        "ml-training" => {
            input["maxRounds"] = json!(1);
            input["setsPerRound"] = json!(3);
            input["placements"] = json!(["FARGATE", "BATCH", "LAMBDA"]);
            input["targetAccuracy"] = json!(0.5);
            input["space"] = json!({"knn": {"k": {"min": 1, "max": 9}}});
            input["include"] = json!([{"forest": forest}]);
        }
        "hybrid-hello" => input["forest"] = forest,
        _ => {}
    }
    Scenario {
        name,
        definition: None,
        input,
        copies: 1,
        writes: true,
    }
}

/// The small machines.
pub fn small(stack: &Stack) -> Vec<Scenario> {
    let services = Services::of(stack);
    let machine = |name, writes, states: Value| Scenario {
        name,
        definition: Some(states),
        input: json!({}),
        copies: 1,
        writes,
    };
    vec![
        // First of all, for `nested` starts it.
        machine("child", false, child()),
        Scenario {
            copies: 20,
            ..machine("wait", false, wait())
        },
        Scenario {
            copies: 5,
            ..machine("nested", false, services.nested())
        },
        Scenario {
            copies: 3,
            ..machine("activity-task", false, services.activity())
        },
        machine("distributed", false, distributed("STANDARD", &waiting())),
        machine("timeout", true, services.timeout()),
        machine("states", true, services.states()),
        machine("jsonpath", true, services.jsonpath()),
        machine("sdk", true, services.sdk()),
        Scenario {
            copies: 5,
            ..machine("token", true, services.token())
        },
        Scenario {
            copies: 2,
            ..machine("refused-token", true, services.token())
        },
        machine("ecs", true, services.ecs("0")),
        machine("ecs-exit", true, services.ecs("3")),
        machine("batch", true, services.batch()),
        machine(
            "distributed-work",
            true,
            distributed("STANDARD", &services.work("300")),
        ),
        machine(
            "distributed-express",
            true,
            distributed("EXPRESS", &services.work("200")),
        ),
    ]
}

/// What the small machines call.
struct Services {
    cluster: String,
    queue: String,
    bucket: String,
    function: String,
    prefix: String,
}

impl Services {
    fn of(stack: &Stack) -> Self {
        let queue = stack
            .job_queues
            .iter()
            .find(|queue| queue.name.ends_with("on-demand"));
        let function = stack
            .functions
            .iter()
            .find(|function| function.key == "chaos");
        Self {
            cluster: stack.clusters[0].arn.clone(),
            queue: queue.unwrap().arn.clone(),
            bucket: stack.buckets[0].clone(),
            function: function.unwrap().arn.clone(),
            prefix: format!("arn:aws:states:{}:{}", stack.region, stack.account),
        }
    }

    /// A call of the function, as the last state. `tail` makes the note's name unique.
    fn call(&self, tail: &str, ms: &str) -> Value {
        json!({
            "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true,
            "Arguments": {"FunctionName": self.function, "Payload": {
                "work": format!("{{% $states.context.Execution.Name & '{tail}' %}}"), "ms": format!("{{% {ms} %}}"),
            }},
            "Output": "{% $states.result.Payload %}",
        })
    }

    /// The item's own work, as one state machine.
    fn work(&self, ms: &str) -> Value {
        let mut call = self.call("", ms);
        call["Arguments"]["Payload"]["work"] = json!("{% $states.input.work %}");
        json!({"StartAt": "Work", "States": {"Work": call}})
    }

    fn states(&self) -> Value {
        let mut each = self.work("200");
        each["ProcessorConfig"] = json!({"Mode": "INLINE"});
        let mut both = self.call("-both", "700");
        both["Type"] = json!("Task");
        json!({"QueryLanguage": "JSONata", "StartAt": "Keep", "States": {
            "Keep": {"Type": "Pass", "Assign": {"list": [1, 2, 3]}, "Next": "Choose"},
            "Choose": {"Type": "Choice", "Default": "Wrong", "Choices": [
                {"Condition": "{% $count($list) = 3 %}", "Next": "Wait"},
            ]},
            "Wrong": {"Type": "Fail", "Error": "Chaos.Wrong"},
            "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Both"},
            "Both": {"Type": "Parallel", "Assign": {"both": "{% $states.result %}"}, "Next": "Each", "Branches": [
                {"StartAt": "Call", "States": {"Call": both}},
                {"StartAt": "Pause", "States": {
                    "Pause": {"Type": "Wait", "Seconds": 1, "Next": "Say"},
                    "Say": {"Type": "Pass", "Output": "said", "End": true},
                }},
            ]},
            "Each": {
                "Type": "Map", "MaxConcurrency": 2, "Items": "{% $list %}", "Next": "Done", "ItemProcessor": each,
                "ItemSelector": {"work": "{% $states.context.Execution.Name & '-' & $states.context.Map.Item.Value %}"},
            },
            "Done": {"Type": "Succeed", "Output": {"both": "{% $both %}", "each": "{% $states.input %}"}},
        }})
    }

    /// The other query language; a function that fails, is retried, caught, and fails the execution.
    fn jsonpath(&self) -> Value {
        json!({"StartAt": "Call", "States": {
            "Call": {
                "Type": "Task", "Resource": self.function, "End": true,
                "Parameters": {"work.$": "$$.Execution.Name", "ms": 200, "refuse": true},
                "Retry": [{"ErrorEquals": ["Chaos.Refused"], "IntervalSeconds": 1, "MaxAttempts": 2}],
                "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.caught", "Next": "Fail"}],
            },
            "Fail": {"Type": "Fail", "ErrorPath": "$.caught.Error", "Cause": "the function refused thrice"},
        }})
    }

    fn nested(&self) -> Value {
        let start = |pattern: &str, tail: &str, output: &str, next: &str| {
            json!({
                "Type": "Task", "Resource": format!("arn:aws:states:::states:startExecution{pattern}"), "Next": next,
                "Arguments": {
                    "StateMachineArn": format!("{}:stateMachine:child", self.prefix),
                    "Input": {"of": format!("{{% $states.context.Execution.Name & '{tail}' %}}")},
                },
                "Output": output,
            })
        };
        json!({"QueryLanguage": "JSONata", "StartAt": "Parsed", "States": {
            "Parsed": start(".sync:2", "-2", "{% $states.result.Output.of %}", "Text"),
            "Text": start(".sync", "-1", "{% [$states.input, $parse($states.result.Output).of] %}", "Go on"),
            "Go on": start("", "-0", "{% $states.input %}", "Done"),
            "Done": {"Type": "Succeed"},
        }})
    }

    /// Served by the driver. A poll whose answer is lost with the server has taken the task: only the heartbeat
    /// tells, here as on AWS.
    fn activity(&self) -> Value {
        json!({"QueryLanguage": "JSONata", "StartAt": "Ask", "States": {"Ask": {
            "Type": "Task", "Resource": format!("{}:activity:{ACTIVITY}", self.prefix), "End": true,
            "Arguments": {"name": "{% $states.context.Execution.Name %}"}, "HeartbeatSeconds": 20,
            "Retry": [{"ErrorEquals": ["States.Timeout"], "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 20}],
        }}})
    }

    /// A token that nobody answers.
    fn timeout(&self) -> Value {
        json!({"QueryLanguage": "JSONata", "StartAt": "Ask", "States": {
            "Ask": {
                "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "End": true,
                "Arguments": {"FunctionName": self.function, "Payload": {
                    "work": "{% $states.context.Execution.Name %}", "token": "{% $states.context.Task.Token %}",
                }},
                "TimeoutSeconds": 10,
                "Catch": [{"ErrorEquals": ["States.Timeout"], "Output": "timed out", "Next": "Tell"}],
            },
            "Tell": {"Type": "Pass", "End": true},
        }})
    }

    fn sdk(&self) -> Value {
        let object = json!({"Bucket": self.bucket, "Key": "{% 'chaos/' & $states.context.Execution.Name %}"});
        let mut put = object.clone();
        put["Body"] = json!({"kept": true});
        json!({"QueryLanguage": "JSONata", "StartAt": "Put", "States": {
            "Put": {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:putObject", "Arguments": put, "Next": "Wait"},
            "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Get"},
            "Get": {
                "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:getObject", "Arguments": object,
                "Output": "{% $parse($states.result.Body) %}", "Next": "Tell",
            },
            "Tell": {
                "Type": "Task", "Resource": "arn:aws:states:::events:putEvents", "End": true,
                "Arguments": {"Entries": [{"Source": "chaos", "DetailType": "told", "Detail": {"n": 1}}]},
                "Output": "{% {'kept': $states.input.kept, 'failed': $states.result.FailedEntryCount} %}",
            },
        }})
    }

    fn run_task(&self, pattern: &str, environment: &[(&str, &str)]) -> Value {
        json!({
            "Type": "Task", "Resource": format!("arn:aws:states:::ecs:runTask{pattern}"),
            "Arguments": {
                "Cluster": self.cluster, "TaskDefinition": "chaos-worker", "LaunchType": "FARGATE",
                "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["subnet-1"]}},
                "Overrides": {"ContainerOverrides": [{"Name": "worker", "Environment": variables(environment)}]},
            },
        })
    }

    /// Answered by the driver, which finds the token where the worker has put it.
    fn token(&self) -> Value {
        let token = ("TASK_TOKEN", "{% $states.context.Task.Token %}");
        let mut ask = self.run_task(".waitForTaskToken", &[token, ("LASTS", "0"), ("EXIT", "0")]);
        ask["Catch"] = json!([{"ErrorEquals": ["Chaos.Refused"], "Output": "{% $states.errorOutput %}", "Next": "Done"}]);
        ask["Next"] = json!("Done");
        json!({"QueryLanguage": "JSONata", "StartAt": "Ask", "States": {"Ask": ask, "Done": {"Type": "Succeed"}}})
    }

    fn ecs(&self, code: &str) -> Value {
        let mut run = self.run_task(".sync", &[("LASTS", "2"), ("EXIT", code)]);
        run["Output"] = json!("{% $states.result.Containers[0].ExitCode %}");
        run["Catch"] = json!([{
            "ErrorEquals": ["States.TaskFailed"], "Next": "Done",
            "Output": "{% $parse($states.errorOutput.Cause).Containers[0].ExitCode %}",
        }]);
        run["Next"] = json!("Done");
        json!({"QueryLanguage": "JSONata", "StartAt": "Run", "States": {"Run": run, "Done": {"Type": "Succeed"}}})
    }

    fn batch(&self) -> Value {
        json!({"QueryLanguage": "JSONata", "StartAt": "Run", "States": {"Run": {
            "Type": "Task", "Resource": "arn:aws:states:::batch:submitJob.sync", "End": true,
            "Arguments": {
                "JobName": "{% $states.context.Execution.Name %}", "JobQueue": self.queue,
                "JobDefinition": "chaos-worker",
                "ContainerOverrides": {"Environment": variables(&[("LASTS", "2"), ("EXIT", "0")])},
            },
            "Output": "{% $states.result.Container.ExitCode %}",
        }}})
    }
}

fn variables(more: &[(&str, &str)]) -> Value {
    let work = ("WORK", "{% $states.context.Execution.Name %}");
    let all = std::iter::once(&work).chain(more);
    all.map(|(name, value)| json!({"Name": name, "Value": value}))
        .collect()
}

fn wait() -> Value {
    json!({"QueryLanguage": "JSONata", "StartAt": "Wait", "States": {
        "Wait": {"Type": "Wait", "Seconds": 3, "Next": "Say"},
        "Say": {"Type": "Pass", "Output": "{% $states.context.Execution.Name %}", "End": true},
    }})
}

fn child() -> Value {
    json!({"QueryLanguage": "JSONata", "StartAt": "Wait", "States": {
        "Wait": {"Type": "Wait", "Seconds": 2, "Next": "Say"},
        "Say": {"Type": "Pass", "End": true},
    }})
}

fn waiting() -> Value {
    json!({"StartAt": "Wait", "States": {
        "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Say"},
        "Say": {"Type": "Pass", "Output": "{% $states.input.work %}", "End": true},
    }})
}

/// A Distributed Map over six items, two at a time.
fn distributed(kind: &str, processor: &Value) -> Value {
    let mut processor = processor.clone();
    processor["ProcessorConfig"] = json!({"Mode": "DISTRIBUTED", "ExecutionType": kind});
    json!({"QueryLanguage": "JSONata", "StartAt": "Each", "States": {"Each": {
        "Type": "Map", "Items": [1, 2, 3, 4, 5, 6], "MaxConcurrency": 2, "ItemProcessor": processor, "End": true,
        "ItemSelector": {"work": "{% $states.context.Execution.Name & '-' & $states.context.Map.Item.Value %}"},
    }}})
}
