//! From keys to paths: readable where possible, safe always.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

/// Longest file name that a component of a key gives, bytes. File systems allow 255.
const NAME_LIMIT: usize = 200;

/// Relative path of a key. Components stay as they are, except for those that a file system cannot
/// hold: empty ones, `.` and `..`, control characters, names that are too long. `%` escapes, so
/// different keys have different paths.
pub(super) fn path_of_key(key: &str) -> PathBuf {
    key.split('/').map(file_name).collect()
}

fn file_name(component: &str) -> String {
    match component {
        "" => return "%".to_owned(),
        "." => return "%2E".to_owned(),
        ".." => return "%2E%2E".to_owned(),
        _ => {}
    }
    let mut name = String::with_capacity(component.len());
    for c in component.chars() {
        if c == '%' || c.is_control() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                name.push_str(&format!("%{byte:02X}"));
            }
        } else {
            name.push(c);
        }
    }
    if name.len() <= NAME_LIMIT {
        return name;
    }
    let hash = Sha256::digest(component.as_bytes());
    let hash = hex::encode(&hash[..16]);
    let start = name.floor_char_boundary(NAME_LIMIT - 40);
    format!("{}%~{hash}", &name[..start])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn paths_are_readable_safe_and_distinct() {
        for (key, path) in [
            ("jobs/7/outcome.json", "jobs/7/outcome.json"),
            ("a b/ü", "a b/ü"),
            ("../etc/passwd", "%2E%2E/etc/passwd"),
            ("/a//b/", "%/a/%/b/%"),
            ("100%", "100%25"),
            ("a\nb", "a%0Ab"),
        ] {
            assert_eq!(path_of_key(key), PathBuf::from(path), "{key}");
        }
        let long = [
            "x".repeat(1_000),
            "x".repeat(999),
            format!("{}y", "x".repeat(999)),
        ];
        let paths: HashSet<_> = long.iter().map(|key| path_of_key(key)).collect();
        assert_eq!(paths.len(), 3);
        assert!(paths.iter().all(|path| path.as_os_str().len() <= 255));
    }
}
