//! The part of an answer that tells a client which files to move where.

use serde_json::{Value, json};

use crate::session::Transfer;

use super::message::ObjectWriter;
use super::stage_urls::Moving;

/// Size from which clients cut files into parts; every file here goes in one.
const THRESHOLD: u64 = 200 * 1024 * 1024;

/// Writes what a client needs for PUT or GET; `origin` begins the URLs.
pub(super) fn write(data: &mut ObjectWriter, moving: &Moving, origin: &str) {
    let urls: Vec<String> = moving
        .paths
        .iter()
        .map(|path| format!("{origin}{path}"))
        .collect();
    match &moving.transfer {
        Transfer::Upload(upload) => {
            let place = stage_info(&format!("{}/{}", upload.area, upload.prefix), urls.first());
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
            data.field("presignedUrls", &urls);
            data.raw("encryptionMaterial", b"[]");
            data.field("stageInfo", &stage_info("stages/", None));
        }
    }
}

/// The stage as storage that signs URLs.
fn stage_info(location: &str, url: Option<&String>) -> Value {
    json!({
        "locationType": "GCS",
        "location": location,
        "path": location,
        // Must be there for Python's connector 5.
        "region": "local",
        "storageAccount": null,
        "isClientSideEncrypted": false,
        "creds": {},
        "presignedUrl": url,
        "endPoint": null,
        "useS3RegionalUrl": false,
        "useRegionalUrl": false,
        "useVirtualUrl": false,
    })
}
