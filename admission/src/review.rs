//! An AdmissionReview (`admission.k8s.io/v1`) as far as it is read, and the answer to it. Objects
//! stay text here: most need no further look, and one of any depth must not stop the reading.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";

/// Why a text is no review. There is nothing to answer: a response needs the request's `uid`.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// It is no JSON, or lacks what every review has.
    #[error("this is no AdmissionReview: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It is something else, or of another version.
    #[error("this is {kind} of {api_version}, and not AdmissionReview of {API_VERSION}")]
    Other {
        /// Its `kind`.
        kind: String,
        /// Its `apiVersion`.
        api_version: String,
    },
}

/// A review that asks.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked<'a> {
    api_version: String,
    kind: String,
    #[serde(borrow)]
    request: Request<'a>,
}

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request<'a> {
    pub uid: String,
    pub operation: Operation,
    /// The part of the object that is written, such as `status`; empty for the object.
    #[serde(default)]
    pub sub_resource: String,
    #[serde(default)]
    pub namespace: String,
    /// Empty while the API server has not made the name yet.
    #[serde(default)]
    pub name: String,
    #[serde(borrow, default)]
    pub object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub old_object: Option<&'a RawValue>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Operation {
    Create,
    Update,
    #[serde(other)]
    Other,
}

impl<'a> Request<'a> {
    /// Reads a review.
    pub fn read(body: &'a [u8]) -> Result<Self, ReviewError> {
        let Asked { api_version, kind, request } = serde_json::from_slice(body)?;
        if api_version == API_VERSION && kind == KIND {
            Ok(request)
        } else {
            Err(ReviewError::Other { kind, api_version })
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answered<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [String],
}

/// `metav1.Status`.
#[derive(Serialize)]
struct Status<'a> {
    code: u16,
    reason: &'static str,
    message: &'a str,
    details: Details<'a>,
}

#[derive(Serialize)]
struct Details<'a> {
    causes: &'a [Cause],
}

/// `metav1.StatusCause`: an error for programs.
#[derive(Debug, Serialize)]
pub(crate) struct Cause {
    /// The code of the diagnostic.
    pub reason: &'static str,
    pub message: String,
    /// The path in the object.
    pub field: String,
}

/// Why an object is denied.
#[derive(Debug)]
pub(crate) struct Denial {
    pub message: String,
    pub causes: Vec<Cause>,
}

/// Writes the answer to a request.
pub(crate) fn answer(
    uid: &str,
    denial: Option<&Denial>,
    warnings: &[String],
) -> Result<String, serde_json::Error> {
    let status = denial.map(|Denial { message, causes }| Status {
        // Of what is `Invalid`, `kubectl` prints the causes alone: no help, and not who denied.
        code: 400,
        reason: "BadRequest",
        message,
        details: Details { causes },
    });
    let response = Response { uid, allowed: status.is_none(), status, warnings };
    serde_json::to_string(&Answered { api_version: API_VERSION, kind: KIND, response })
}
