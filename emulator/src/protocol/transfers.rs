//! The part of an answer that tells a client which files to move where.

use serde_json::{Value, json};

use crate::session::Transfer;

use super::message::ObjectWriter;
use super::stage_urls::{Access, FOLDER, Moving};

/// Size from which clients cut files into parts; every file here goes in one.
const THRESHOLD: u64 = 200 * 1024 * 1024;

/// Writes what a client needs for PUT or GET; `origin` begins the URLs.
pub(super) fn write(data: &mut ObjectWriter, moving: &Moving, origin: &str) {
    let urls = |paths: &[String]| -> Vec<String> {
        let urls = paths.iter().map(|path| format!("{origin}{path}"));
        urls.collect()
    };
    match &moving.transfer {
        Transfer::Upload(upload) => {
            let place = match &moving.access {
                Access::Urls(paths) => Place {
                    location: format!("{}/{}", upload.area, upload.prefix),
                    url: urls(paths).pop(),
                    ..Place::default()
                },
                Access::Token(token) => Place {
                    location: format!("{FOLDER}/{}/{}", upload.area, upload.prefix),
                    token: Some(token),
                    origin: Some(origin),
                    ..Place::default()
                },
            };
            let place = stage_info(&place);
            data.field("command", "UPLOAD");
            data.field("src_locations", &[&upload.source]);
            data.field("parallel", &upload.parallel);
            data.field("threshold", &THRESHOLD);
            data.field("autoCompress", &upload.auto_compress);
            data.field("sourceCompression", &upload.source_compression);
            data.field("overwrite", &upload.overwrite);
            data.field("clientShowEncryptionParameter", &false);
            data.raw("encryptionMaterial", b"null");
            data.field("stageInfo", &place);
            data.field("uploadInfo", &place);
        }
        Transfer::Download(download) => {
            let names: Vec<&str> = download.files.iter().map(|(name, ..)| name.as_str()).collect();
            data.field("command", "DOWNLOAD");
            data.field("src_locations", &names);
            data.field("localLocation", &download.local);
            data.field("parallel", &download.parallel);
            data.field("threshold", &THRESHOLD);
            let paths: &[String] = match &moving.access {
                Access::Urls(paths) => paths,
                Access::Token(_) => &[],
            };
            data.field("presignedUrls", &urls(paths));
            data.raw("encryptionMaterial", b"[]");
            let place = Place {
                location: format!("{FOLDER}/"),
                ..Place::default()
            };
            data.field("stageInfo", &stage_info(&place));
        }
    }
}

/// Where a client finds a stage.
#[derive(Default)]
struct Place<'a> {
    /// Bucket and what the names in it begin with.
    location: String,
    /// The URL that is good for the file.
    url: Option<String>,
    /// What is good for all files.
    token: Option<&'a str>,
    /// Where the bucket is, for who has a token.
    origin: Option<&'a str>,
}

/// The stage as Google's storage.
fn stage_info(place: &Place<'_>) -> Value {
    let location = &place.location;
    let credentials = match place.token {
        Some(token) => json!({ "GCS_ACCESS_TOKEN": token }),
        None => json!({}),
    };
    json!({
        "locationType": "GCS",
        "location": location,
        "path": location,
        // Must be there for Python's connector 5.
        "region": "local",
        "storageAccount": null,
        "isClientSideEncrypted": false,
        "creds": credentials,
        "presignedUrl": place.url,
        "endPoint": place.origin,
        "useS3RegionalUrl": false,
        "useRegionalUrl": false,
        "useVirtualUrl": false,
    })
}
