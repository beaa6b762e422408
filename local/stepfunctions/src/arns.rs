//! The ARNs that requests name, by their form alone: whether there is such a thing is another question.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html#awsstepfunctions-resources-for-iam-policies>

use cloud::error::ServiceError;

use crate::names::is_name;

/// An ARN of a state machine, with what may stand after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MachineArn<'a> {
    /// The state machine's own ARN.
    pub machine: &'a str,
    /// A version's number or an alias's name.
    pub qualifier: Option<&'a str>,
}

impl<'a> MachineArn<'a> {
    /// The parts of an ARN of a state machine, a version or an alias.
    ///
    /// # Errors
    /// `InvalidArn`.
    pub fn parse(arn: &'a str) -> Result<MachineArn<'a>, ServiceError> {
        let rest = states(arn)?.resource("stateMachine", arn)?;
        let (name, qualifier) = match rest.split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier)),
            None => (rest, None),
        };
        // A label of a Distributed Map may follow the name.
        let names = name.split('/').all(is_name) && name.split('/').count() <= 2;
        if !names || !qualifier.is_none_or(is_name) {
            return Err(malformed(arn));
        }
        let end = arn.len() - qualifier.map_or(0, |qualifier| qualifier.len() + 1);
        Ok(MachineArn {
            machine: &arn[..end],
            qualifier,
        })
    }

    /// The ARN of a state machine itself.
    ///
    /// # Errors
    /// `InvalidArn`; `ValidationException` where a version or an alias is named.
    pub fn unqualified(arn: &'a str) -> Result<&'a str, ServiceError> {
        match MachineArn::parse(arn)? {
            MachineArn {
                machine,
                qualifier: None,
            } => Ok(machine),
            MachineArn { .. } => Err(crate::errors::invalid(format!(
                "A qualified state machine ARN is not taken here: '{arn}'"
            ))),
        }
    }

    /// The ARN of a version: its state machine and its number.
    ///
    /// # Errors
    /// `InvalidArn`.
    pub fn version(arn: &'a str) -> Result<(&'a str, u64), ServiceError> {
        let parsed = MachineArn::parse(arn)?;
        let number = parsed.qualifier.and_then(|number| number.parse().ok());
        Ok((parsed.machine, number.ok_or_else(|| malformed(arn))?))
    }

    /// The ARN of an alias: its state machine and its name.
    ///
    /// # Errors
    /// `InvalidArn`.
    pub fn alias(arn: &'a str) -> Result<(&'a str, &'a str), ServiceError> {
        let parsed = MachineArn::parse(arn)?;
        let name = parsed.qualifier.filter(|name| !is_number(name));
        Ok((parsed.machine, name.ok_or_else(|| malformed(arn))?))
    }
}

/// Whether a qualifier is a version's, not an alias's.
pub(crate) fn is_number(qualifier: &str) -> bool {
    qualifier.bytes().all(|byte| byte.is_ascii_digit())
}

/// Checks the ARN of an execution, Express or not.
///
/// # Errors
/// `InvalidArn`.
pub(crate) fn check_execution(arn: &str) -> Result<(), ServiceError> {
    let parsed = states(arn)?;
    let parts = match parsed.resource("execution", arn) {
        Ok(rest) => (rest, 2),
        Err(_) => (parsed.resource("express", arn)?, 3),
    };
    check_parts(parts.0, parts.1, arn)
}

/// Checks the ARN of an activity.
///
/// # Errors
/// `InvalidArn`.
pub(crate) fn check_activity(arn: &str) -> Result<(), ServiceError> {
    check_parts(states(arn)?.resource("activity", arn)?, 1, arn)
}

/// Checks the ARN of a Map Run.
///
/// # Errors
/// `InvalidArn`.
pub(crate) fn check_map_run(arn: &str) -> Result<(), ServiceError> {
    check_parts(states(arn)?.resource("mapRun", arn)?, 2, arn)
}

/// Checks the ARN of what can have tags: a state machine or an activity.
///
/// # Errors
/// `InvalidArn`.
pub(crate) fn check_tagged(arn: &str) -> Result<(), ServiceError> {
    check_activity(arn).or_else(|_| MachineArn::unqualified(arn).map(drop))
}

/// Checks the ARN of a role.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns>
///
/// # Errors
/// `InvalidArn`.
pub(crate) fn check_role(arn: &str) -> Result<(), ServiceError> {
    let refused = || invalid(&format!("Invalid Role Arn: '{arn}'"));
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts[..] else {
        return Err(refused());
    };
    let known = |c: char| c.is_ascii_alphanumeric() || "+=,.@-_/".contains(c);
    let name = resource.strip_prefix("role/").filter(|name| {
        !name.is_empty()
            && !name.starts_with('/')
            && !name.ends_with('/')
            && name.chars().all(known)
    });
    if name.is_none() || !is_partition(partition) || !is_account(account) {
        return Err(refused());
    }
    Ok(())
}

/// What follows the account in an ARN of this service.
struct Resource<'a>(&'a str);

impl<'a> Resource<'a> {
    fn resource(&self, kind: &str, arn: &str) -> Result<&'a str, ServiceError> {
        let (found, rest) = self.0.split_once(':').unwrap_or((self.0, ""));
        if found == kind && !rest.is_empty() {
            return Ok(rest);
        }
        Err(match found {
            "stateMachine" | "execution" | "express" | "activity" | "mapRun"
                if !rest.is_empty() =>
            {
                invalid(&format!(
                    "Invalid Arn: 'Resource type not valid in this context: {found}'"
                ))
            }
            _ => malformed(arn),
        })
    }
}

fn states(arn: &str) -> Result<Resource<'_>, ServiceError> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts[..] {
        ["arn", partition, "states", region, account, resource]
            if is_partition(partition) && is_region(region) && is_account(account) =>
        {
            Ok(Resource(resource))
        }
        ["arn", ..] => Err(malformed(arn)),
        _ => Err(invalid(&format!(
            "Invalid Arn: 'Invalid ARN prefix: {arn}'"
        ))),
    }
}

fn check_parts(rest: &str, count: usize, arn: &str) -> Result<(), ServiceError> {
    let mut parts = rest.split(':');
    let named = parts
        .clone()
        .all(|part| part.split('/').all(|name| !name.is_empty()));
    if named && parts.by_ref().count() == count {
        return Ok(());
    }
    Err(malformed(arn))
}

fn is_partition(text: &str) -> bool {
    text == "aws"
        || text
            .strip_prefix("aws-")
            .is_some_and(|rest| !rest.is_empty())
}

fn is_region(text: &str) -> bool {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.contains('-') && text.chars().all(known)
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && is_number(text)
}

fn malformed(arn: &str) -> ServiceError {
    invalid(&format!("Invalid Arn: '{arn}'"))
}

fn invalid(message: &str) -> ServiceError {
    ServiceError::new("InvalidArn", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_told_by_their_form() {
        let place = "arn:aws:states:us-east-1:123456789012";
        let machine = |arn: &str| MachineArn::parse(arn).map(drop);
        type Check = fn(&str) -> Result<(), ServiceError>;
        let table: [(&str, Check, &[&str], &[&str]); 5] = [
            (
                "machine",
                machine,
                &[
                    "stateMachine:m",
                    "stateMachine:m:1",
                    "stateMachine:m:live",
                    "stateMachine:m/label",
                ],
                &[
                    "stateMachine:",
                    "stateMachine",
                    "stateMachine:m:",
                    "stateMachine:a b",
                    "activity:m",
                    "stateMachine:m:1:2",
                ],
            ),
            (
                "execution",
                check_execution,
                &["execution:m:e", "express:m:e:id", "execution:m/label:e"],
                &[
                    "execution:m",
                    "execution:m:",
                    "express:m:e",
                    "stateMachine:m",
                ],
            ),
            (
                "activity",
                check_activity,
                &["activity:a"],
                &["activity:a:b", "activity:"],
            ),
            (
                "map run",
                check_map_run,
                &["mapRun:m/label:id"],
                &["mapRun:m", "execution:m:e"],
            ),
            (
                "tagged",
                check_tagged,
                &["activity:a", "stateMachine:m"],
                &["execution:m:e", "stateMachine:m:1"],
            ),
        ];
        for (what, check, good, bad) in table {
            for rest in good {
                assert_eq!(check(&format!("{place}:{rest}")), Ok(()), "{what} {rest}");
            }
            for rest in bad {
                assert!(check(&format!("{place}:{rest}")).is_err(), "{what} {rest}");
            }
            for arn in [
                "bad",
                "",
                "arn:aws:states:us-east-1:1234:stateMachine:m",
                "arn:aws:lambda:us-east-1:123456789012:function:f",
                "arn:aws:states::123456789012:stateMachine:m",
            ] {
                assert!(check(arn).is_err(), "{what} {arn}");
            }
        }
    }

    #[test]
    fn a_qualifier_is_a_number_or_a_name() {
        let arn = "arn:aws:states:us-east-1:123456789012:stateMachine:m";
        let (version, alias) = (format!("{arn}:12"), format!("{arn}:live"));
        assert_eq!(MachineArn::version(&version), Ok((arn, 12)));
        assert_eq!(MachineArn::alias(&alias), Ok((arn, "live")));
        assert!(MachineArn::version(&alias).is_err());
        assert!(MachineArn::alias(&version).is_err());
        assert!(MachineArn::unqualified(&version).is_err());
        assert_eq!(MachineArn::unqualified(arn), Ok(arn));
    }

    #[test]
    fn roles_are_told_by_their_form() {
        for role in [
            "arn:aws:iam::123456789012:role/r",
            "arn:aws:iam::123456789012:role/service-role/My.Role_1@x",
            "arn:aws-cn:iam::123456789012:role/r",
        ] {
            assert_eq!(check_role(role), Ok(()), "{role}");
        }
        for role in [
            "nope",
            "arn:aws:iam::123456789012:user/r",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::1234:role/r",
            "arn:aws:iam:us-east-1:123456789012:role/r",
            "arn:aws:iam::123456789012:role/a b",
        ] {
            assert!(check_role(role).is_err(), "{role}");
        }
    }
}
