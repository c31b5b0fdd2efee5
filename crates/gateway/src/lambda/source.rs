//! Where the code of a request comes from, in `control`'s words: exactly one place, as Lambda wants it.
//!
//! The messages are the service's own.

use control::function::{Source, ZipSource};
use model::error::ServiceError;
use model::noted::{Object, Origin};
use wire::lambda as api;

/// The code of a new function.
///
/// # Errors
/// `InvalidParameterValue` for no place, several, or one that does not fit the kind of package.
pub fn of_create(code: api::FunctionCode, kind: Option<&api::PackageType>) -> Result<Source, ServiceError> {
    match (kind == Some(&api::PackageType::Image), is_text(code.image_uri.as_ref())) {
        (true, false) => invalid("Please provide ImageUri when creating a function with packageType Image."),
        (false, true) => invalid("Please set PackageType to Image when providing ImageUri."),
        _ => of_update(code),
    }
}

/// New code of a function. Whether it fits the function's kind of package is not known here.
///
/// # Errors
/// As [`of_create`].
pub fn of_update(code: api::FunctionCode) -> Result<Source, ServiceError> {
    let bucket = (code.s3_bucket, code.s3_key, code.s3_object_version);
    match code.image_uri.filter(|uri| !uri.is_empty()) {
        None => of_zip(code.zip_file, bucket).map(Source::Zip),
        Some(_) if code.zip_file.is_some() || is_text(bucket.0.as_ref()) || is_text(bucket.1.as_ref()) => {
            invalid("Please do not provide other FunctionCode parameters when providing an ImageUri.")
        }
        Some(uri) => Ok(Source::Image(uri)),
    }
}

/// What is said of where the code comes from. It is copied in any case; a reference is kept and shown.
///
/// # Errors
/// `InvalidParameterValue` for a reference to no object, or a key for what is no zip.
pub fn origin(code: &api::FunctionCode) -> Result<Origin, ServiceError> {
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let kms_key = text(&code.source_kms_key_arn);
    if kms_key.is_some() && is_text(code.image_uri.as_ref()) {
        return invalid("SourceKMSKeyArn is not supported for functions created with container images.");
    }
    let object = match (&code.s3_object_storage_mode, text(&code.s3_bucket), text(&code.s3_key)) {
        (None | Some(api::S3ObjectStorageMode::Copy), ..) => None,
        (Some(_), Some(bucket), Some(key)) => {
            Some(Box::new(Object { bucket, key, version: text(&code.s3_object_version) }))
        }
        (Some(_), ..) => return invalid("S3ObjectStorageMode REFERENCE needs S3Bucket and S3Key."),
    };
    Ok(Origin { kms_key, object })
}

/// The object that is referred to.
pub fn resolved(object: &Object) -> api::ResolvedS3Object {
    api::ResolvedS3Object {
        s3_bucket: Some(object.bucket.clone()),
        s3_key: Some(object.key.clone()),
        s3_object_version: object.version.clone(),
    }
}

/// The content of a layer.
///
/// # Errors
/// As [`of_create`].
pub fn of_layer(content: api::LayerVersionContentInput) -> Result<ZipSource, ServiceError> {
    of_zip(content.zip_file, (content.s3_bucket, content.s3_key, content.s3_object_version))
}

fn of_zip(
    zip: Option<bytes::Bytes>,
    (bucket, key, version): (Option<String>, Option<String>, Option<String>),
) -> Result<ZipSource, ServiceError> {
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    match (zip, text(bucket), text(key)) {
        (Some(zip), None, None) => Ok(ZipSource::Inline(zip)),
        (Some(_), ..) => {
            invalid("Please do not provide other FunctionCode parameters when providing a ZipFile.")
        }
        (None, Some(bucket), Some(key)) => Ok(ZipSource::Object { bucket, key, version: text(version) }),
        (None, ..) => invalid("Please provide a source for function code."),
    }
}

fn is_text(value: Option<&String>) -> bool {
    value.is_some_and(|text| !text.is_empty())
}

fn invalid<T>(message: &str) -> Result<T, ServiceError> {
    Err(ServiceError::InvalidParameterValue(message.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> api::FunctionCode {
        api::FunctionCode::default()
    }

    fn check(code: api::FunctionCode, kind: Option<api::PackageType>, expect: Result<&str, &str>) {
        let seen = of_create(code, kind.as_ref()).map(|source| format!("{source:?}"));
        match (seen, expect) {
            (Ok(seen), Ok(expect)) => assert_eq!(seen, expect),
            (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{error}"),
            (seen, expect) => panic!("{seen:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn code_comes_from_one_place() {
        let zip = || Some(bytes::Bytes::from_static(b"zip"));
        let text = |text: &str| Some(text.to_owned());
        let image = || Some(api::PackageType::Image);
        check(api::FunctionCode { zip_file: zip(), ..code() }, None, Ok("Zip(Inline(3))"));
        let object = api::FunctionCode { s3_bucket: text("b"), s3_key: text("k"), ..code() };
        let seen = "Zip(Object { bucket: \"b\", key: \"k\", version: None })";
        check(object.clone(), Some(api::PackageType::Zip), Ok(seen));
        check(api::FunctionCode { image_uri: text("i"), ..code() }, image(), Ok("Image(\"i\")"));
        check(code(), None, Err("Please provide a source for function code."));
        check(api::FunctionCode { s3_bucket: text("b"), ..code() }, None, Err("Please provide a source"));
        check(api::FunctionCode { zip_file: zip(), ..object.clone() }, None, Err("providing a ZipFile"));
        check(api::FunctionCode { image_uri: text("i"), ..object }, image(), Err("providing an ImageUri"));
        check(api::FunctionCode { image_uri: text("i"), ..code() }, None, Err("set PackageType to Image"));
        check(api::FunctionCode { zip_file: zip(), ..code() }, image(), Err("Please provide ImageUri"));
    }
}
