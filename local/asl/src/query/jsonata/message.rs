//! The words of JSONata's errors.
//!
//! AWS prints the texts of the reference implementation (jsonata-js 2.0.6); `jsonata-core` keeps its codes but words
//! many of them otherwise. [`tail`] gives the reference's words by code, taking what varies from `jsonata-core`'s text.

/// Too large a value.
pub(super) const MEMORY: &str =
    "Expression evaluation memory limit exceeded: Check for excessive memory usage";
/// Too deep a recursion.
const STACK: &str = "Stack overflow error: Check for non-terminating recursive function.  Consider rewriting as tail-recursive. Depth=101 max=100";
/// Too long an evaluation.
const TIMEOUT: &str = "Expression evaluation timeout: Check for infinite loop";

/// What follows the naming of expression and field: `threw an error during evaluation. T2001: …` for errors with a
/// code, `threw an error during evaluation: …` for exceeded bounds.
pub(super) fn tail(message: &str, function: Option<&str>) -> String {
    const THREW: &str = "threw an error during evaluation";
    let Some((code, text)) = split_code(message) else {
        return format!("{THREW}: {}", first_line(message));
    };
    match code {
        "D1011" | "U1001" => format!("{THREW}: {STACK}"),
        "D1012" | "U1003" => format!("{THREW}: {TIMEOUT}"),
        "D2014" | "D2015" => format!("{THREW}: {MEMORY}"),
        _ => format!("{THREW}. {code}: {}", reference(code, text, function)),
    }
}

/// The parser's message without its code, in the reference's words.
pub(super) fn syntax(message: &str) -> String {
    let message = message.strip_prefix("Invalid syntax: ").unwrap_or(message);
    match split_code(message) {
        Some((code, text)) => reference(code, text, None),
        None => first_line(message).to_string(),
    }
}

fn split_code(message: &str) -> Option<(&str, &str)> {
    let code = message.get(..5)?;
    let known = code.starts_with(|c: char| c.is_ascii_uppercase())
        && code[1..].bytes().all(|byte| byte.is_ascii_digit());
    known
        .then(|| message[5..].strip_prefix(": "))
        .flatten()
        .map(|text| (code, text))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// The part of `text` between two words.
fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    let start = text.find(before)? + before.len();
    let rest = &text[start..];
    Some(&rest[..rest.find(after)?])
}

/// A token as the expression spells it, given as `jsonata-core` names it.
fn token(name: &str) -> &str {
    match name {
        "LeftParen" => "(",
        "RightParen" => ")",
        "LeftBracket" => "[",
        "RightBracket" => "]",
        "LeftBrace" => "{",
        "RightBrace" => "}",
        "Comma" => ",",
        "Semicolon" => ";",
        "Colon" => ":",
        "ColonEqual" => ":=",
        "TildeArrow" => "~>",
        "Question" => "?",
        "Dot" => ".",
        "DotDot" => "..",
        "Plus" => "+",
        "Minus" => "-",
        "Star" => "*",
        "StarStar" => "**",
        "Slash" => "/",
        "Percent" => "%",
        "Equal" => "=",
        "NotEqual" => "!=",
        "LessThan" => "<",
        "LessThanOrEqual" => "<=",
        "GreaterThan" => ">",
        "GreaterThanOrEqual" => ">=",
        "Ampersand" => "&",
        "And" => "and",
        "Or" => "or",
        "In" => "in",
        "Caret" => "^",
        "Pipe" => "|",
        "Hash" => "#",
        "At" => "@",
        "Eof" => "(end)",
        // A token with a value: Identifier("x"), Number(1.0).
        _ => name
            .split_once('(')
            .and_then(|(_, rest)| rest.strip_suffix(')'))
            .unwrap_or(name),
    }
}

/// The text as the reference quotes what varies.
fn quoted(text: &str) -> String {
    let text = token(text);
    match text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        Some(_) => text.to_string(),
        None => format!("\"{}\"", text.trim_matches('\'').trim_start_matches('$')),
    }
}

fn reference(code: &str, text: &str, function: Option<&str>) -> String {
    let fixed = match code {
        "D1004" => "Regular expression matches zero length string",
        "T1006" => "Attempted to invoke a non-function",
        "T1008" => "Attempted to partially apply a non-function",
        "T2003" => "The left side of the range operator (..) must evaluate to an integer",
        "T2004" => "The right side of the range operator (..) must evaluate to an integer",
        "T2006" => "The right side of the function application operator ~> must be a function",
        "T2008" => {
            "The expressions within an order-by clause must evaluate to numeric or string values"
        }
        "D3001" => "Attempting to invoke string function on Infinity or NaN",
        "D3010" => "Second argument of replace function cannot be an empty string",
        "D3011" => "Fourth argument of replace function must evaluate to a positive number",
        "D3012" => "Attempted to replace a matched string with a non-string value",
        "D3020" => "Third argument of split function must evaluate to a positive number",
        "D3040" => "Third argument of match function must evaluate to a positive number",
        "D3080" => "The picture string must only contain a maximum of two sub-pictures",
        "D3081" => {
            "The sub-picture must not contain more than one instance of the 'decimal-separator' character"
        }
        "D3082" => {
            "The sub-picture must not contain more than one instance of the 'percent' character"
        }
        "D3083" => {
            "The sub-picture must not contain more than one instance of the 'per-mille' character"
        }
        "D3084" => "The sub-picture must not contain both a 'percent' and a 'per-mille' character",
        "D3085" => {
            "The mantissa part of a sub-picture must contain at least one character that is either an 'optional digit character' or a member of the 'decimal digit family'"
        }
        "D3086" => {
            "The sub-picture must not contain a passive character that is preceded by an active character and that is followed by another active character"
        }
        "D3087" => {
            "The sub-picture must not contain a 'grouping-separator' character that appears adjacent to a 'decimal-separator' character"
        }
        "D3088" => {
            "The sub-picture must not contain a 'grouping-separator' at the end of the integer part"
        }
        "D3089" => {
            "The sub-picture must not contain two adjacent instances of the 'grouping-separator' character"
        }
        "D3090" => {
            "The integer part of the sub-picture must not contain a member of the 'decimal digit family' that is followed by an instance of the 'optional digit character'"
        }
        "D3091" => {
            "The fractional part of the sub-picture must not contain an instance of the 'optional digit character' that is followed by a member of the 'decimal digit family'"
        }
        "D3092" => {
            "A sub-picture that contains a 'percent' or 'per-mille' character must not contain a character treated as an 'exponent-separator'"
        }
        "D3093" => {
            "The exponent part of the sub-picture must comprise only of one or more characters that are members of the 'decimal digit family'"
        }
        "D3138" => {
            "The $single() function expected exactly 1 matching result.  Instead it matched more."
        }
        "S0208" => "Parameter of function definition must be a variable name (start with $)",
        _ => return varying(code, text, function),
    };
    fixed.to_string()
}

/// The texts that name an operator, a function or a value.
fn varying(code: &str, text: &str, function: Option<&str>) -> String {
    let reworded = match code {
        "T0410" | "T0411" | "T0412" => argument(code, text, function),
        "T2001" | "T2002" => between(text, "side of the ", " operator").map(|operator| {
            let side = if code == "T2001" { "left" } else { "right" };
            format!(
                "The {side} side of the {} operator must evaluate to a number",
                quoted(operator)
            )
        }),
        "D1002" => text
            .split_once("value: ")
            .map(|(_, value)| format!("Cannot negate a non-numeric value: {value}")),
        "D3030" => between(text, "Cannot convert ", " to number")
            .map(|value| format!("Unable to cast value to a number: {}", number_text(value))),
        "D3100" => text.rsplit("got ").next().map(|value| {
            format!("The radix of the formatBase function must be between 2 and 36.  It was given {value}")
        }),
        "S0202" => between(text, "Expected ", ", got ").map(|expected| {
            let found = text.split(", got ").nth(1).unwrap_or_default();
            format!("Expected {}, got {}", quoted(expected), quoted(found))
        }),
        "S0203" => between(text, "Expected ", " before")
            .map(|expected| format!("Expected {} before end of expression", quoted(expected))),
        "S0211" => between(text, "The symbol ", " cannot").map(|symbol| {
            format!(
                "The symbol {} cannot be used as a unary operator",
                quoted(symbol)
            )
        }),
        _ => None,
    };
    reworded.unwrap_or_else(|| first_line(text).to_string())
}

fn number_text(value: &str) -> String {
    match value {
        "null" | "infinite number" => value.to_string(),
        _ => quoted(value),
    }
}

/// `Argument 1 of function "abs" does not match function signature` and its kin.
fn argument(code: &str, text: &str, function: Option<&str>) -> Option<String> {
    let index: usize = text
        .split("rgument ")
        .nth(1)?
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()?;
    let named = text
        .split("function ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .map(|name| name.trim_matches('"').trim_start_matches('$'))
        .filter(|name| !name.is_empty() && *name != "signature");
    let name = named.or(function)?;
    Some(match code {
        "T0411" => format!(
            "Context value is not a compatible type with argument {index} of function \"{name}\""
        ),
        "T0412" => {
            let kind = text.rsplit("array of ").next()?.trim();
            let kind = kind.trim_matches('"').to_ascii_lowercase();
            let kind = kind.trim_end_matches('s');
            // The reference's own message, for a function whose array may hold anything.
            if kind == "undefined" {
                return None;
            }
            format!("Argument {index} of function \"{name}\" must be an array of \"{kind}s\"")
        }
        _ => format!("Argument {index} of function \"{name}\" does not match function signature"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_references() {
        for (message, function, expected) in [
            (
                "T2001: The left side of the + operator must evaluate to a number",
                None,
                "threw an error during evaluation. T2001: The left side of the \"+\" operator must evaluate to a number",
            ),
            (
                "T0410: Argument 1 must be Number",
                Some("abs"),
                "threw an error during evaluation. T0410: Argument 1 of function \"abs\" does not match function signature",
            ),
            (
                "T0412: Argument 1 must be an array of Number",
                Some("sum"),
                "threw an error during evaluation. T0412: Argument 1 of function \"sum\" must be an array of \"numbers\"",
            ),
            (
                "T0412: Argument 1 of function $join must be an array of String",
                None,
                "threw an error during evaluation. T0412: Argument 1 of function \"join\" must be an array of \"strings\"",
            ),
            (
                "T1006: Attempted to invoke a non-function: $foo",
                None,
                "threw an error during evaluation. T1006: Attempted to invoke a non-function",
            ),
            (
                "D3030: Cannot convert 'x' to number",
                None,
                "threw an error during evaluation. D3030: Unable to cast value to a number: \"x\"",
            ),
            (
                "D2015: The maximum sequence length of 873782 was exceeded.",
                None,
                "threw an error during evaluation: Expression evaluation memory limit exceeded: Check for excessive memory usage",
            ),
            (
                "Invalid regex: regex parse error:\n (",
                None,
                "threw an error during evaluation: Invalid regex: regex parse error:",
            ),
        ] {
            assert_eq!(tail(message, function), expected);
        }
    }

    #[test]
    fn syntax_errors_lose_their_code() {
        assert_eq!(
            syntax("S0202: Expected RightBracket, got Comma"),
            "Expected \"]\", got \",\""
        );
        assert_eq!(
            syntax("S0207: Unexpected end of expression"),
            "Unexpected end of expression"
        );
    }
}
