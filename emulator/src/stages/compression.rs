//! Compressed files: how they are told, and how they are read.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::FileFormat;
use crate::contract::SqlError;

/// Bytes read from a file at a time.
const READ_BYTES: usize = 128 * 1024;

/// Endings of compressed files and what they are called; the first few can be read here.
const ENDINGS: [(&str, &str); 8] = [
    (".gz", "GZIP"),
    (".deflate", "DEFLATE"),
    (".raw_deflate", "RAW_DEFLATE"),
    (".bz2", "BZ2"),
    (".br", "BROTLI"),
    (".zst", "ZSTD"),
    (".lz", "LZ"),
    (".xz", "XZ"),
];

/// Endings of files that are compressed within: clients tell them by their first bytes and leave them as they are.
const COMPRESSED_WITHIN: [&str; 2] = [".parquet", ".orc"];

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// zlib.
    Deflate,
    /// Deflate without a header.
    RawDeflate,
}

impl Compression {
    /// How a file of a format is compressed: as the format says, or as the file's name and first bytes tell.
    ///
    /// Refuses what cannot be unpacked here.
    pub fn of(format: &FileFormat, path: &Path, name: &str) -> Result<Self, SqlError> {
        let said = format.text("COMPRESSION").to_uppercase();
        if said != "AUTO" {
            return Self::named(&said);
        }
        let mut head = [0; 4];
        let read = File::open(path)
            .and_then(|mut file| file.read(&mut head))
            .unwrap_or(0);
        if head[..read].starts_with(&[0x1f, 0x8b]) {
            return Ok(Self::Gzip);
        }
        let name = name.to_ascii_lowercase();
        match ENDINGS.iter().find(|(ending, _)| name.ends_with(ending)) {
            // A name alone does not make a gzip file of it.
            Some((_, "GZIP")) | None => Ok(Self::None),
            Some((_, kind)) => Self::named(kind),
        }
    }

    fn named(word: &str) -> Result<Self, SqlError> {
        match word {
            "NONE" => Ok(Self::None),
            "GZIP" => Ok(Self::Gzip),
            "DEFLATE" => Ok(Self::Deflate),
            "RAW_DEFLATE" => Ok(Self::RawDeflate),
            other => Err(SqlError::unsupported(format!("COMPRESSION = {other}"))),
        }
    }

    /// True for a file name that tells of a compression: a client does not compress it again.
    pub fn is_told_by(name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let endings = ENDINGS.iter().map(|(ending, _)| *ending);
        endings
            .chain(COMPRESSED_WITHIN)
            .any(|ending| name.ends_with(ending))
    }

    /// Reads a file unpacked.
    pub fn open(self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let file = BufReader::with_capacity(READ_BYTES, File::open(path)?);
        Ok(match self {
            Self::None => Box::new(file),
            Self::Gzip => Box::new(MultiGzDecoder::new(file)),
            Self::Deflate => Box::new(ZlibDecoder::new(file)),
            Self::RawDeflate => Box::new(DeflateDecoder::new(file)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;
    use crate::stages::FileKind;

    #[test]
    fn files_are_told_and_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let level = flate2::Compression::fast;
        let gzip = |text: &str| {
            let mut encoder = GzEncoder::new(Vec::new(), level());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        let mut zlib = ZlibEncoder::new(Vec::new(), level());
        zlib.write_all(b"abc").unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), level());
        raw.write_all(b"abc").unwrap();
        for (said, name, bytes) in [
            ("AUTO", "x.csv", b"abc".to_vec()),
            ("AUTO", "x.csv.gz", b"abc".to_vec()),
            ("AUTO", "x.csv", [gzip("a"), gzip("bc")].concat()),
            ("GZIP", "x", gzip("abc")),
            ("AUTO", "x.deflate", zlib.finish().unwrap()),
            ("RAW_DEFLATE", "x", raw.finish().unwrap()),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let mut format = FileFormat::new(FileKind::Csv);
            format.set("COMPRESSION", vec![said.to_owned()]).unwrap();
            let compression = Compression::of(&format, &path, name).unwrap();
            let mut text = String::new();
            compression
                .open(&path)
                .unwrap()
                .read_to_string(&mut text)
                .unwrap();
            assert_eq!(text, "abc", "{said} {name}");
        }
        let format = FileFormat::new(FileKind::Csv);
        let refused = Compression::of(&format, &path, "x.zst").unwrap_err();
        assert_eq!(
            refused.message,
            "SQL compilation error:\nUnsupported feature 'COMPRESSION = ZSTD'."
        );
        assert!(Compression::is_told_by("a.CSV.GZ") && !Compression::is_told_by("a.csv"));
        assert!(Compression::is_told_by("a.parquet"));
    }
}
