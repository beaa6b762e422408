//! Security Token Service: GetCallerIdentity, over the AWS Query protocol.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::action::{ServiceId, StsAction};
use crate::error::ServiceError;
use crate::faults::{Faults, Verdict};
use crate::rest;
use crate::service::Service;

/// The Security Token Service.
#[derive(Debug, Clone)]
pub struct Sts {
    pub(crate) account: String,
    pub(crate) faults: Faults,
}

impl Sts {
    /// Carries out an action; its result as members of the answer.
    pub fn call(&self, action: StsAction, request: &Value) -> Result<Value, ServiceError> {
        match (action, self.faults.admit(action, request)?) {
            (_, Verdict::Lose) => Ok(json!({})),
            (StsAction::GetCallerIdentity, Verdict::Proceed) => Ok(json!({
                "Arn": format!("arn:aws:iam::{}:user/local", self.account),
                "UserId": "AIDALOCAL",
                "Account": self.account,
            })),
        }
    }
}

impl Service for Sts {
    fn id(&self) -> ServiceId {
        ServiceId::Sts
    }

    fn answer(&self, request: Request) -> BoxFuture<'_, Result<Response<Body>, ServiceError>> {
        async move {
            let form = rest::read(request.into_body()).await.unwrap_or_default();
            let form = rest::query(&form);
            let name = form.get("Action").map_or("", String::as_str);
            let result = self.call(StsAction::required(name)?, &json!(form))?;
            let members = result.as_object().into_iter().flatten();
            let members = members.map(|(member, value)| {
                format!(
                    "<{member}>{}</{member}>",
                    value.as_str().unwrap_or_default()
                )
            });
            let members: String = members.collect();
            let document = format!(
                "<{name}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                 <{name}Result>{members}</{name}Result>\
                 <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{name}Response>",
                Uuid::new_v4()
            );
            Ok(rest::typed("text/xml", document))
        }
        .boxed()
    }
}
