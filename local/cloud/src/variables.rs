//! Environment variables that a request may not set, because they name code that a program then runs.
//!
//! What a definition of the stack sets is the user's own and passes. A request's overrides are not:
//! together with a file that somebody stored they would start any program.

use serde_json::{Value, json};
use stack::Env;

use crate::error::ServiceError;

/// Variables as ECS and Batch describe them: a list of names and values.
pub(crate) fn pairs(variables: &Env) -> Vec<Value> {
    let pair = |(name, value): (&String, &String)| json!({"name": name, "value": value});
    variables.iter().map(pair).collect()
}

/// How variables are named.
#[derive(Debug, Clone, Copy)]
enum Names {
    /// Exactly so.
    Of(&'static [&'static str]),
    /// All that begin so.
    From(&'static [&'static str]),
    /// Exactly so, if the value is a path: other programs use the name for other things.
    Path(&'static str),
}

/// What reads them, and which. Sources: glibc's list for set-user-ID programs
/// (<https://sourceware.org/git/?p=glibc.git;a=blob;f=sysdeps/generic/unsecvars.h>), sudo's
/// (<https://github.com/sudo-project/sudo/blob/main/plugins/sudoers/env.c>), and the page of each.
const REFUSED: &[(&str, &[Names])] = &[
    // https://man7.org/linux/man-pages/man8/ld.so.8.html
    (
        "the loader",
        &[
            Names::From(&["LD_", "DYLD_", "_RLD"]),
            Names::Of(&["GLIBC_TUNABLES"]),
        ],
    ),
    (
        "the C library",
        &[Names::Of(&[
            "GCONV_PATH",
            "GETCONF_DIR",
            "HOSTALIASES",
            "LOCALDOMAIN",
            "LOCPATH",
            "MALLOC_TRACE",
            "NIS_PATH",
            "NLSPATH",
            "RESOLV_HOST_CONF",
            "RES_OPTIONS",
        ])],
    ),
    // https://docs.openssl.org/master/man7/openssl-env/
    (
        "OpenSSL",
        &[Names::Of(&[
            "OPENSSL_CONF",
            "OPENSSL_ENGINES",
            "OPENSSL_MODULES",
        ])],
    ),
    // `credential_process` of a profile is a command:
    // https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
    (
        "the AWS SDKs",
        &[Names::Of(&[
            "AWS_CONFIG_FILE",
            "AWS_SHARED_CREDENTIALS_FILE",
        ])],
    ),
    // Profiles and start-up files lie there.
    (
        "every program",
        &[Names::Of(&["PATH", "HOME", "XDG_CONFIG_HOME"])],
    ),
    // https://www.gnu.org/software/bash/manual/html_node/Bash-Startup-Files.html
    (
        "shells",
        &[
            Names::Of(&[
                "BASH_ENV",
                "BASHOPTS",
                "SHELLOPTS",
                "PS4",
                "IFS",
                "CDPATH",
                "GLOBIGNORE",
                "ZDOTDIR",
                "FPATH",
                "NULLCMD",
                "READNULLCMD",
                "TMPPREFIX",
            ]),
            Names::From(&["BASH_FUNC_"]),
            Names::Path("ENV"),
        ],
    ),
    // https://docs.python.org/3/using/cmdline.html#environment-variables
    (
        "Python",
        &[Names::Of(&[
            "PYTHONBREAKPOINT",
            "PYTHONEXECUTABLE",
            "PYTHONHOME",
            "PYTHONINSPECT",
            "PYTHONPATH",
            "PYTHONPLATLIBDIR",
            "PYTHONSTARTUP",
            "PYTHONUSERBASE",
            "PYTHONWARNINGS",
        ])],
    ),
    // https://nodejs.org/api/cli.html#environment-variables_1
    ("Node.js", &[Names::Of(&["NODE_OPTIONS", "NODE_PATH"])]),
    // https://perldoc.perl.org/perlrun#ENVIRONMENT
    (
        "Perl",
        &[Names::Of(&[
            "PERL5OPT",
            "PERL5LIB",
            "PERL5DB",
            "PERLLIB",
            "PERLIO_DEBUG",
        ])],
    ),
    // https://docs.ruby-lang.org/en/master/ruby/environment_variables_md.html
    (
        "Ruby",
        &[Names::Of(&["RUBYOPT", "RUBYLIB", "GEM_HOME", "GEM_PATH"])],
    ),
    // https://docs.oracle.com/en/java/javase/21/docs/specs/man/java.html
    (
        "Java",
        &[Names::Of(&[
            "JAVA_TOOL_OPTIONS",
            "JDK_JAVA_OPTIONS",
            "_JAVA_OPTIONS",
            "CLASSPATH",
        ])],
    ),
    // https://learn.microsoft.com/en-us/dotnet/core/runtime-config/debugging-profiling
    (
        ".NET",
        &[
            Names::Of(&["DOTNET_STARTUP_HOOKS"]),
            Names::From(&["CORECLR_", "COR_", "DOTNET_ADDITIONAL_DEPS"]),
        ],
    ),
    // https://www.php.net/manual/en/configuration.file.php
    ("PHP", &[Names::Of(&["PHPRC", "PHP_INI_SCAN_DIR"])]),
    // https://www.lua.org/manual/5.4/manual.html#7
    (
        "Lua",
        &[Names::From(&["LUA_INIT", "LUA_PATH", "LUA_CPATH"])],
    ),
    // https://stat.ethz.ch/R-manual/R-devel/library/base/html/Startup.html
    (
        "R",
        &[Names::Of(&[
            "R_PROFILE",
            "R_PROFILE_USER",
            "R_ENVIRON",
            "R_ENVIRON_USER",
            "R_LIBS",
        ])],
    ),
    // https://git-scm.com/docs/git#_environment_variables
    (
        "Git",
        &[
            Names::Of(&[
                "GIT_ASKPASS",
                "GIT_EDITOR",
                "GIT_EXEC_PATH",
                "GIT_EXTERNAL_DIFF",
                "GIT_PAGER",
            ]),
            Names::From(&["GIT_CONFIG", "GIT_SSH", "GIT_PROXY_COMMAND"]),
        ],
    ),
];

impl Names {
    fn include(self, name: &str, value: &str) -> bool {
        match self {
            Names::Of(names) => names.contains(&name),
            Names::From(beginnings) => beginnings.iter().any(|start| name.starts_with(start)),
            Names::Path(exact) => exact == name && value.contains('/'),
        }
    }
}

/// Checks a variable that a request sets; `code` is the service's name for a bad request.
///
/// # Errors
/// The variable is one by which a program finds code, or no name at all.
pub(crate) fn check(code: &str, name: &str, value: &str) -> Result<(), ServiceError> {
    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
        let message =
            format!("environment: {name:?} cannot be the name of a variable of a process");
        return Err(ServiceError::new(code, message));
    }
    let reader = REFUSED
        .iter()
        .find(|(_, names)| names.iter().any(|names| names.include(name, value)));
    match reader {
        None => Ok(()),
        Some((reader, _)) => Err(ServiceError::new(
            code,
            format!(
                "environment: {name} tells {reader} what to run, and the local cloud takes it from a \
                 definition only, not from a request; set it in the task or job definition"
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_code_does_not_come_from_a_request() {
        for (name, value, passes) in [
            ("LD_PRELOAD", "/tmp/x.so", false),
            ("LD_LIBRARY_PATH", "", false),
            ("LD_AUDIT", "x", false),
            ("DYLD_INSERT_LIBRARIES", "x", false),
            ("GLIBC_TUNABLES", "x", false),
            ("GCONV_PATH", "x", false),
            ("BASH_ENV", "x", false),
            ("BASH_FUNC_ls%%", "() { :; }", false),
            ("ENV", "/tmp/x", false),
            ("PYTHONSTARTUP", "x", false),
            ("PYTHONPATH", "x", false),
            ("NODE_OPTIONS", "x", false),
            ("PERL5OPT", "x", false),
            ("RUBYOPT", "x", false),
            ("JAVA_TOOL_OPTIONS", "x", false),
            ("AWS_CONFIG_FILE", "x", false),
            ("OPENSSL_CONF", "x", false),
            ("PATH", "x", false),
            ("HOME", "x", false),
            ("", "x", false),
            ("A=B", "x", false),
            ("A\0", "x", false),
            ("A", "x\0", false),
            ("ENV", "production", true),
            ("JOB_URI", "s3://bucket/key", true),
            ("TASK_TOKEN", "x", true),
            ("RUST_LOG", "debug", true),
            ("PYTHONUNBUFFERED", "1", true),
            ("NODE_ENV", "production", true),
            ("MALLOC_ARENA_MAX", "2", true),
            ("OLD_PRELOAD", "x", true),
        ] {
            assert_eq!(check("C", name, value).is_ok(), passes, "{name}");
        }
        let error = check("InvalidParameterException", "LD_PRELOAD", "x").err();
        let error = error.map(|error| (error.code, error.message.contains("LD_PRELOAD")));
        assert_eq!(error, Some(("InvalidParameterException".to_owned(), true)));
    }
}
