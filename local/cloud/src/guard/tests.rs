use super::*;
use Protocol::{AwsJson, Query, RestBlob, RestJson, S3};

const SIGNED: (&str, &str) = (
    "authorization",
    "AWS4-HMAC-SHA256 Credential=AKID/20261124/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
);
const HOME: (&str, &str) = ("host", "127.0.0.1:4566");

fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let request = Request::builder().method(method).uri(uri);
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    request.body(Body::empty()).unwrap().into_parts().0
}

#[test]
fn a_request_names_this_machine_and_nothing_else() {
    let foreign = || Err(Refusal::Host("evil.test:4566".into()));
    let none = || Err(Refusal::Host(String::new()));
    let evil = ("host", "evil.test:4566");
    for (uri, headers, expected) in [
        ("/b/k", vec![HOME], Ok(())),
        ("/b/k", vec![], none()),
        ("/b/k", vec![evil], foreign()),
        ("/b/k", vec![HOME, evil], foreign()),
        ("http://evil.test:4566/b/k", vec![HOME], foreign()),
        ("http://127.0.0.1:4566/b/k", vec![evil], foreign()),
        ("http://127.0.0.1:4566/b/k", vec![HOME], Ok(())),
        ("http://127.0.0.1:4566/b/k", vec![], Ok(())),
        ("/b/k", vec![("host", "b.localhost:4566")], Ok(())),
    ] {
        for protocol in [AwsJson, RestJson, RestBlob, Query, S3] {
            assert_eq!(
                check(&parts("GET", uri, &headers), protocol),
                expected,
                "{uri} {headers:?}"
            );
        }
    }
}

#[test]
fn a_page_of_another_origin_is_refused_whatever_it_sends() {
    let origin = |text: &str| Err(Refusal::Origin(text.to_owned()));
    let site = |text: &str| Err(Refusal::Site(text.to_owned()));
    for (header, expected) in [
        (("origin", "http://127.0.0.1:4566"), Ok(())),
        (("origin", "https://evil.test"), origin("https://evil.test")),
        (
            ("origin", "http://evil.test:4566"),
            origin("http://evil.test:4566"),
        ),
        (
            ("origin", "http://127.0.0.1:3000"),
            origin("http://127.0.0.1:3000"),
        ),
        (
            ("origin", "http://localhost:4566"),
            origin("http://localhost:4566"),
        ),
        (
            ("origin", "https://127.0.0.1:4566"),
            origin("https://127.0.0.1:4566"),
        ),
        (("origin", "null"), origin("null")),
        (("origin", ""), origin("")),
        (("sec-fetch-site", "same-origin"), Ok(())),
        (("sec-fetch-site", "none"), Ok(())),
        (("sec-fetch-site", "same-site"), site("same-site")),
        (("sec-fetch-site", "cross-site"), site("cross-site")),
        (("sec-fetch-site", "something-new"), site("something-new")),
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
            let headers = [HOME, SIGNED, header, ("content-type", "application/json")];
            let parts = parts(method, "/v1/submitjob", &headers);
            assert_eq!(check(&parts, RestJson), expected, "{method} {header:?}");
        }
    }
}

#[test]
fn a_name_that_a_foreign_dns_could_hold_is_for_programs() {
    let host = ("host", "sync-localhost:4566");
    let json = ("content-type", "application/x-amz-json-1.0");
    let refused = || Err(Refusal::Browser);
    for (mark, expected) in [
        (None, Ok(())),
        (Some(("origin", "http://sync-localhost:4566")), refused()),
        (Some(("sec-fetch-site", "same-origin")), refused()),
        (Some(("sec-fetch-mode", "cors")), refused()),
    ] {
        let headers: Vec<_> = [host, json].into_iter().chain(mark).collect();
        assert_eq!(
            check(&parts("POST", "/", &headers), AwsJson),
            expected,
            "{mark:?}"
        );
        assert_eq!(check(&parts("GET", "/", &headers), AwsJson), refused());
    }
}

/// Content types, and for each protocol whether a write of them is served unsigned and signed.
#[test]
fn a_write_has_what_a_page_cannot_send() {
    let cases: &[(Option<&str>, Protocol, bool, bool)] = &[
        (Some("application/x-amz-json-1.0"), AwsJson, true, true),
        (
            Some("application/x-amz-json-1.1; charset=utf-8"),
            AwsJson,
            true,
            true,
        ),
        (Some("application/json"), AwsJson, false, false),
        (Some("text/plain"), AwsJson, false, false),
        (None, AwsJson, false, false),
        (Some("application/json"), RestJson, true, true),
        (
            Some("Application/JSON; charset=UTF-8"),
            RestJson,
            true,
            true,
        ),
        (Some("application/octet-stream"), RestJson, false, false),
        (Some("text/plain;charset=UTF-8"), RestJson, false, false),
        (
            Some("text/plain; x=application/json"),
            RestJson,
            false,
            false,
        ),
        (
            Some("multipart/form-data; boundary=x"),
            RestJson,
            false,
            false,
        ),
        (
            Some("application/x-www-form-urlencoded"),
            RestJson,
            false,
            false,
        ),
        (None, RestJson, false, true),
        (Some("application/json"), RestBlob, true, true),
        (Some("application/octet-stream"), RestBlob, false, true),
        (Some("text/plain"), RestBlob, false, false),
        (
            Some("multipart/form-data; boundary=x"),
            RestBlob,
            false,
            false,
        ),
        (
            Some("application/x-www-form-urlencoded"),
            RestBlob,
            false,
            false,
        ),
        (None, RestBlob, false, true),
        (
            Some("application/x-www-form-urlencoded; charset=utf-8"),
            Query,
            false,
            true,
        ),
        (Some("text/plain"), S3, false, true),
        (Some("application/json"), S3, false, true),
        (Some("application/x-www-form-urlencoded"), S3, false, true),
        (None, S3, false, true),
        // The form is S3's to refuse.
        (Some("multipart/form-data; boundary=x"), S3, true, true),
    ];
    for (kind, protocol, unsigned, signed) in cases {
        let kind = kind.map(|kind| ("content-type", kind));
        for (signature, expected) in [(None, unsigned), (Some(SIGNED), signed)] {
            let headers: Vec<_> = [HOME].into_iter().chain(kind).chain(signature).collect();
            let served = check(&parts("POST", "/x", &headers), *protocol);
            assert_eq!(
                served.is_ok(),
                *expected,
                "{protocol:?} {headers:?}: {served:?}"
            );
        }
    }
    let two = [
        HOME,
        SIGNED,
        ("content-type", "application/json"),
        ("content-type", "text/plain"),
    ];
    assert!(check(&parts("POST", "/x", &two), RestJson).is_err());
    assert!(check(&parts("POST", "/x", &two), RestBlob).is_err());
}

#[test]
fn an_object_is_written_with_a_signature_of_any_kind() {
    let version_2 = ("authorization", "AWS test:c2ln");
    let basic = ("authorization", "Basic dGVzdA==");
    for (method, uri, header, expected) in [
        ("PUT", "/b/k", None, Err(Refusal::Unsigned)),
        ("DELETE", "/b/k", None, Err(Refusal::Unsigned)),
        ("POST", "/b/k?uploads", None, Err(Refusal::Unsigned)),
        ("PUT", "/b/k", Some(basic), Err(Refusal::Unsigned)),
        ("PUT", "/b/k?Signature=x", None, Err(Refusal::Unsigned)),
        ("PUT", "/b/k", Some(SIGNED), Ok(())),
        ("PUT", "/b/k", Some(version_2), Ok(())),
        (
            "PUT",
            "/b/k?X-Amz-Credential=c&X-Amz-Signature=x",
            None,
            Ok(()),
        ),
        (
            "PUT",
            "/b/k?AWSAccessKeyId=test&Signature=x&Expires=1",
            None,
            Ok(()),
        ),
        ("GET", "/b/k", None, Ok(())),
        ("HEAD", "/b/k", None, Ok(())),
    ] {
        let headers: Vec<_> = [HOME].into_iter().chain(header).collect();
        assert_eq!(
            check(&parts(method, uri, &headers), S3),
            expected,
            "{method} {uri}"
        );
    }
}

#[test]
fn a_refusal_is_in_the_shape_of_the_service() {
    let refusal = Refusal::Host("<evil>".into());
    assert_eq!(refusal.response(AwsJson).status(), StatusCode::FORBIDDEN);
}
