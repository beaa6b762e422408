use super::*;
use axum::body::to_bytes;
use axum::http::{HeaderMap, Method};

pub(super) fn open(root: &Path, faults: Faults) -> io::Result<S3> {
    let home = Home {
        account: "123456789012".to_owned(),
        region: "us-east-1".to_owned(),
    };
    S3::open(root, &["bucket".to_owned()], home, faults)
}

fn store() -> (tempfile::TempDir, S3) {
    let dir = tempfile::tempdir().unwrap();
    let s3 = open(dir.path(), Faults::default()).unwrap();
    (dir, s3)
}

/// An answer, as far as the tests look at it.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// Content of the first element of this name.
    fn element(&self, name: &str) -> &str {
        let rest = self.body.split_once(&format!("<{name}>"));
        rest.map_or("", |(_, rest)| rest.split('<').next().unwrap_or_default())
    }
}

async fn ask(s3: &S3, line: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let (method, uri) = line.split_once(' ').unwrap();
    let mut request = Request::builder()
        .method(method.parse::<Method>().unwrap())
        .uri(uri)
        .header("host", "127.0.0.1");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = to_bytes(body.into(), usize::MAX).await.unwrap();
    let request = request.header("content-length", body.len());
    let response = s3.http(request.body(Body::from(body)).unwrap()).await;
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

#[test]
fn a_bucket_may_stand_in_the_host() {
    for (host, bucket) in [
        ("127.0.0.1:4566", None),
        ("localhost:4566", None),
        ("s3.localhost:4566", None),
        ("b.localhost:4566", Some("b")),
        ("b.s3.localhost:4566", Some("b")),
        ("b.127.0.0.1:4566", Some("b")),
    ] {
        assert_eq!(bucket_of_host(host), bucket, "{host}");
    }
}

#[tokio::test]
async fn objects_are_written_read_and_listed_in_process() {
    let (_dir, s3) = store();
    for key in ["a/2", "a/1 ü", "b"] {
        s3.put("bucket", key, Bytes::from(key)).await.unwrap();
    }
    assert_eq!(s3.get("bucket", "a/1 ü").await.unwrap(), "a/1 ü");
    assert_eq!(s3.list("bucket", "a/").await.unwrap(), ["a/1 ü", "a/2"]);
    assert_eq!(s3.list("bucket", "a/2").await.unwrap(), ["a/2"]);
    assert_eq!(
        s3.get("bucket", "none").await.unwrap_err().code,
        "NoSuchKey"
    );
    assert_eq!(s3.list("none", "").await.unwrap_err().code, "NoSuchBucket");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_conditional_writers_one_wins() {
    let (_dir, s3) = store();
    let put = |n: usize| {
        let s3 = s3.clone();
        let absent = [("if-none-match", "*")];
        tokio::spawn(async move { ask(&s3, "PUT /bucket/once", &absent, n.to_string()).await })
    };
    let writers: Vec<_> = (0..64).map(put).collect();
    let mut won = 0;
    for writer in writers {
        match writer.await.unwrap().status {
            200 => won += 1,
            status => assert_eq!(status, 412),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn faults_refuse_a_write() {
    let dir = tempfile::tempdir().unwrap();
    let faults =
        Faults::parse(r#"{"faults": [{"at": "s3:PutObject", "do": "throttle"}]}"#).unwrap();
    let s3 = open(dir.path(), faults).unwrap();
    assert_eq!(ask(&s3, "PUT /bucket/k", &[], "").await.status, 503);
    assert_eq!(ask(&s3, "PUT /bucket/k", &[], "").await.status, 200);
}

#[tokio::test]
async fn an_error_says_what_it_is_about_and_every_answer_has_ids() {
    let (_dir, s3) = store();
    for (line, status, code, element, content) in [
        ("GET /none", 404, "NoSuchBucket", "BucketName", "none"),
        ("PUT /none/k", 404, "NoSuchBucket", "BucketName", "none"),
        ("GET /bucket/a%20b", 404, "NoSuchKey", "Key", "a b"),
        (
            "GET /bucket/k?uploadId=u",
            404,
            "NoSuchUpload",
            "UploadId",
            "u",
        ),
        (
            "GET /bucket?policy",
            404,
            "NoSuchBucketPolicy",
            "BucketName",
            "bucket",
        ),
        (
            "GET /bucket?max-keys=-1",
            400,
            "InvalidArgument",
            "ArgumentValue",
            "-1",
        ),
        (
            "GET /bucket?encoding-type=x",
            400,
            "InvalidArgument",
            "ArgumentName",
            "encoding-type",
        ),
        (
            "POST /bucket/k",
            501,
            "NotImplemented",
            "Resource",
            "/bucket/k",
        ),
    ] {
        let answer = ask(&s3, line, &[], "").await;
        assert_eq!(answer.status, status, "{line}: {}", answer.body);
        assert_eq!(answer.element("Code"), code, "{line}");
        assert_eq!(answer.element(element), content, "{line}: {}", answer.body);
        assert!(!answer.element("Message").is_empty(), "{line}");
        assert_eq!(
            answer.element("RequestId"),
            answer.header("x-amz-request-id")
        );
        assert_eq!(answer.element("HostId"), answer.header("x-amz-id-2"));
    }
    let listed = ask(&s3, "GET /bucket", &[], "").await;
    assert_eq!(listed.status, 200);
    assert!(!listed.header("x-amz-request-id").is_empty());
}

#[tokio::test]
async fn what_a_writer_says_is_kept_and_told() {
    let (_dir, s3) = store();
    let said = [
        ("content-encoding", "gzip,aws-chunked"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-website-redirect-location", "/other"),
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "key"),
        ("x-amz-tagging", "a=1&b=2"),
        ("x-amz-meta-m", "v"),
        ("x-amz-expected-bucket-owner", "123456789012"),
    ];
    ask(&s3, "PUT /bucket/k", &said, "body").await;
    for line in ["HEAD /bucket/k", "GET /bucket/k"] {
        let answer = ask(&s3, line, &[], "").await;
        for (name, value) in [
            ("content-encoding", "gzip"),
            ("x-amz-storage-class", "STANDARD_IA"),
            ("x-amz-website-redirect-location", "/other"),
            ("x-amz-server-side-encryption", "aws:kms"),
            ("x-amz-tagging-count", "2"),
            ("x-amz-meta-m", "v"),
        ] {
            assert_eq!(answer.header(name), value, "{line}: {name}");
        }
    }
    for (name, value, status, code) in [
        ("x-amz-storage-class", "NOPE", 400, "InvalidStorageClass"),
        (
            "x-amz-acl",
            "public-read",
            400,
            "AccessControlListNotSupported",
        ),
        ("x-amz-server-side-encryption", "x", 400, "InvalidArgument"),
        (
            "x-amz-object-lock-mode",
            "GOVERNANCE",
            501,
            "NotImplemented",
        ),
        (
            "x-amz-expected-bucket-owner",
            "111111111111",
            403,
            "AccessDenied",
        ),
        ("content-md5", "x", 400, "InvalidDigest"),
        ("x-amz-checksum-crc32", "AAAAAA==", 400, "BadDigest"),
        ("x-amz-checksum-crc32", "x", 400, "InvalidRequest"),
    ] {
        let answer = ask(&s3, "PUT /bucket/k", &[(name, value)], "body").await;
        assert_eq!(answer.status, status, "{name}: {}", answer.body);
        assert_eq!(answer.element("Code"), code, "{name}");
    }
}

#[tokio::test]
async fn tags_are_written_read_and_removed() {
    let (_dir, s3) = store();
    ask(&s3, "PUT /bucket/k", &[], "").await;
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>";
    for resource in ["/bucket/k?tagging", "/bucket?tagging"] {
        let put = ask(&s3, &format!("PUT {resource}"), &[], tags).await;
        assert!(put.status < 300, "{}", put.body);
        let got = ask(&s3, &format!("GET {resource}"), &[], "").await;
        assert_eq!(got.element("Value"), "1", "{}", got.body);
        let deleted = ask(&s3, &format!("DELETE {resource}"), &[], "").await;
        assert_eq!(deleted.status, 204);
    }
    let none = ask(&s3, "GET /bucket?tagging", &[], "").await;
    assert_eq!(none.element("Code"), "NoSuchTagSet");
    let none = ask(&s3, "GET /bucket/k?tagging", &[], "").await;
    assert_eq!((none.status, none.element("Value")), (200, ""));
}

#[tokio::test]
async fn listings_take_empty_delimiters_and_any_key() {
    let (_dir, s3) = store();
    for key in ["a%01b", "d/k", "x%20y%2Bz"] {
        ask(&s3, &format!("PUT /bucket/{key}"), &[], "").await;
    }
    let all = ask(&s3, "GET /bucket?list-type=2&delimiter=", &[], "").await;
    assert!(all.body.contains("<Key>d/k</Key>"), "{}", all.body);
    assert!(all.body.contains("<Key>a&#x1;b</Key>"), "{}", all.body);
    let encoded = ask(&s3, "GET /bucket?list-type=2&encoding-type=url", &[], "").await;
    assert_eq!(encoded.element("EncodingType"), "url");
    for key in ["a%01b", "d/k", "x+y%2Bz"] {
        assert!(encoded.body.contains(&format!("<Key>{key}</Key>")), "{key}");
    }
    let versions = ask(&s3, "GET /bucket?versions&max-keys=1", &[], "").await;
    assert_eq!(versions.element("VersionId"), "null");
    assert_eq!(versions.element("IsTruncated"), "true");
    let none = ask(&s3, "GET /bucket?max-keys=0", &[], "").await;
    assert_eq!(none.element("IsTruncated"), "false");
}

#[tokio::test]
async fn a_bucket_is_made_again_only_in_the_first_region() {
    let (_dir, s3) = store();
    let signed = |region: &str| {
        format!("AWS4-HMAC-SHA256 Credential=k/20260101/{region}/s3/aws4_request, Signature=0")
    };
    let body = |region: &str| {
        format!(
            "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        )
    };
    let (first, other) = (signed("us-east-1"), signed("eu-west-1"));
    for (authorization, name, body, code) in [
        (&first, "one-b", String::new(), ""),
        (&first, "one-b", String::new(), ""),
        (&other, "two-b", body("eu-west-1"), ""),
        (
            &other,
            "two-b",
            body("eu-west-1"),
            "BucketAlreadyOwnedByYou",
        ),
        (
            &other,
            "three-b",
            String::new(),
            "IllegalLocationConstraintException",
        ),
        (&first, "Four", String::new(), "InvalidBucketName"),
    ] {
        let headers = [("authorization", authorization.as_str())];
        let answer = ask(&s3, &format!("PUT /{name}"), &headers, body).await;
        assert_eq!(answer.element("Code"), code, "{name}: {}", answer.body);
    }
    let location = ask(&s3, "GET /two-b?location", &[], "").await;
    assert!(location.body.contains("eu-west-1"), "{}", location.body);
    let listed = ask(&s3, "GET /?prefix=t&max-buckets=1", &[], "").await;
    assert_eq!(listed.element("Name"), "two-b");
    assert_eq!(listed.element("BucketRegion"), "eu-west-1");
}

#[tokio::test]
async fn a_presigned_url_holds_until_its_end() {
    let (_dir, s3) = store();
    ask(&s3, "PUT /bucket/k", &[], "body").await;
    let signed = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-SignedHeaders=host&X-Amz-Signature=0\
                  &X-Amz-Credential=k%2F20200101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20200101T000000Z";
    let late = ask(
        &s3,
        &format!("GET /bucket/k?{signed}&X-Amz-Expires=60"),
        &[],
        "",
    )
    .await;
    assert_eq!(
        (late.status, late.element("Message")),
        (403, "Request has expired")
    );
    assert_eq!(late.element("Expires"), "2020-01-01T00:01:00Z");
    let long = ask(
        &s3,
        &format!("GET /bucket/k?{signed}&X-Amz-Expires=604801"),
        &[],
        "",
    )
    .await;
    assert_eq!(long.element("Code"), "AuthorizationQueryParametersError");
    let second = "AWSAccessKeyId=k&Signature=x%3D";
    let good = format!(
        "GET /bucket/k?response-content-type=a%2Fb&{second}&Expires=9999999999&x-amz-checksum-mode=ENABLED"
    );
    let good = ask(&s3, &good, &[], "").await;
    assert_eq!((good.status, good.body.as_str()), (200, "body"));
    assert_eq!(good.header("content-type"), "a/b");
    // A header that was presigned in the query.
    assert!(!good.header("x-amz-checksum-crc64nvme").is_empty());
    let late = ask(&s3, &format!("GET /bucket/k?{second}&Expires=1"), &[], "").await;
    assert_eq!(late.status, 403);
}

#[tokio::test]
async fn a_framed_body_is_stored_without_its_frame() {
    let (_dir, s3) = store();
    let framed = [
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-decoded-content-length", "4"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
        ("x-amz-sdk-checksum-algorithm", "CRC32"),
        ("content-encoding", "aws-chunked"),
    ];
    let body = |sum: &str| format!("4\r\nbody\r\n0\r\nx-amz-checksum-crc32:{sum}\r\n\r\n");
    let put = ask(&s3, "PUT /bucket/k", &framed, body("26gLsg==")).await;
    let wrong = ask(&s3, "PUT /bucket/k", &framed, body("AAAAAA==")).await;
    assert_eq!(wrong.element("Code"), "BadDigest");
    let got = ask(
        &s3,
        "GET /bucket/k",
        &[("x-amz-checksum-mode", "ENABLED")],
        "",
    )
    .await;
    assert_eq!(put.status, 200, "{}", put.body);
    assert_eq!(
        (got.body.as_str(), got.header("content-encoding")),
        ("body", "")
    );
    let sum = "0".repeat(64);
    let sum = [("x-amz-content-sha256", sum.as_str())];
    let wrong = ask(&s3, "PUT /bucket/k", &sum, "body").await;
    assert_eq!(wrong.element("Code"), "XAmzContentSHA256Mismatch");
}

#[tokio::test]
async fn conditions_of_reads_copies_and_deletions_hold() {
    let (_dir, s3) = store();
    let put = ask(&s3, "PUT /bucket/k", &[], "0123456789").await;
    let tag = put.header("etag").to_owned();
    let past = "Wed, 01 Jan 2020 00:00:00 GMT";
    let future = "Fri, 01 Jan 2100 00:00:00 GMT";
    let copy = ("x-amz-copy-source", "bucket/k");
    for (line, headers, status) in [
        ("GET /bucket/k", vec![("if-unmodified-since", past)], 412),
        ("GET /bucket/k", vec![("if-modified-since", past)], 200),
        ("GET /bucket/k", vec![("if-modified-since", future)], 200),
        (
            "GET /bucket/k",
            vec![("if-modified-since", "yesterday")],
            200,
        ),
        ("GET /bucket/k", vec![("if-none-match", tag.as_str())], 304),
        ("GET /bucket/k", vec![("range", "bytes=5-2")], 200),
        ("GET /bucket/k", vec![("range", "bytes=0-1,4-5")], 200),
        ("GET /bucket/k", vec![("range", "bytes=-")], 200),
        ("GET /bucket/k", vec![("range", "bytes=2-3")], 206),
        ("HEAD /bucket/k", vec![("range", "bytes=2-3")], 206),
        ("GET /bucket/k", vec![("range", "bytes=10-")], 416),
        ("GET /bucket/k?partNumber=1", vec![], 206),
        ("GET /bucket/k?partNumber=2", vec![], 416),
        ("GET /bucket/k?versionId=null", vec![], 200),
        ("GET /bucket/k?versionId=x", vec![], 400),
        (
            "PUT /bucket/c",
            vec![copy, ("x-amz-copy-source-if-none-match", tag.as_str())],
            412,
        ),
        ("PUT /bucket/k", vec![copy], 400),
        (
            "PUT /bucket/k",
            vec![copy, ("x-amz-metadata-directive", "REPLACE")],
            200,
        ),
        ("DELETE /bucket/k", vec![("if-match", "\"other\"")], 412),
        ("DELETE /bucket/k", vec![("if-match", tag.as_str())], 204),
        ("DELETE /bucket/k", vec![], 204),
    ] {
        let answer = ask(&s3, line, &headers, "").await;
        assert_eq!(answer.status, status, "{line} {headers:?}: {}", answer.body);
    }
}

#[tokio::test]
async fn an_upload_is_listed_completed_once_and_told_twice() {
    let (_dir, s3) = store();
    ask(&s3, "PUT /bucket/source", &[], vec![b'a'; 6 << 20]).await;
    let kind = [("x-amz-checksum-algorithm", "SHA256")];
    let begun = ask(&s3, "POST /bucket/d/k?uploads", &kind, "").await;
    let id = begun.element("UploadId").to_owned();
    let listed = ask(&s3, "GET /bucket?uploads&prefix=d/", &[], "").await;
    assert_eq!(listed.element("UploadId"), id, "{}", listed.body);
    let copy = [
        ("x-amz-copy-source", "bucket/source"),
        ("x-amz-copy-source-range", "bytes=0-5242879"),
    ];
    let first = ask(
        &s3,
        &format!("PUT /bucket/d/k?partNumber=1&uploadId={id}"),
        &copy,
        "",
    )
    .await;
    let second = ask(
        &s3,
        &format!("PUT /bucket/d/k?partNumber=2&uploadId={id}"),
        &[],
        "b",
    )
    .await;
    assert!(
        first.status == 200 && second.status == 200,
        "{}",
        first.body
    );
    let parts = ask(
        &s3,
        &format!("GET /bucket/d/k?uploadId={id}&max-parts=1"),
        &[],
        "",
    )
    .await;
    assert_eq!(parts.element("IsTruncated"), "true");
    assert_eq!(parts.element("NextPartNumberMarker"), "1");
    let part = |number: u8, tag: &str, sum: &str| {
        format!(
            "<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag><ChecksumSHA256>{sum}</ChecksumSHA256></Part>"
        )
    };
    let tag = first.element("ETag").replace("&quot;", "\"");
    let body = format!(
        "<CompleteMultipartUpload>{}{}</CompleteMultipartUpload>",
        part(1, &tag, first.element("ChecksumSHA256")),
        part(
            2,
            second.header("etag"),
            second.header("x-amz-checksum-sha256")
        ),
    );
    let complete = format!("POST /bucket/d/k?uploadId={id}");
    let done = ask(&s3, &complete, &[], body.clone()).await;
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(done.element("ChecksumType"), "COMPOSITE");
    assert!(done.element("ChecksumSHA256").ends_with("-2"));
    let again = ask(&s3, &complete, &[], body).await;
    assert_eq!(
        (again.status, again.element("ETag")),
        (200, done.element("ETag"))
    );
    let got = ask(&s3, "GET /bucket/d/k?partNumber=2", &[], "").await;
    assert_eq!((got.status, got.body.as_str()), (206, "b"));
    assert_eq!(got.header("x-amz-mp-parts-count"), "2");
    let asked = [(
        "x-amz-object-attributes",
        "ETag,ObjectParts,Checksum,ObjectSize",
    )];
    let attributes = ask(&s3, "GET /bucket/d/k?attributes", &asked, "").await;
    assert_eq!(
        attributes.element("ObjectSize"),
        "5242881",
        "{}",
        attributes.body
    );
    assert_eq!(attributes.element("PartsCount"), "2");
    let gone = ask(&s3, &format!("GET /bucket/d/k?uploadId={id}"), &[], "").await;
    assert_eq!(gone.element("Code"), "NoSuchUpload");
}
