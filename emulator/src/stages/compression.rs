//! Compressed files: how they are told, and how they are read.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use brotli::Decompressor;
use bzip2::bufread::MultiBzDecoder;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::FileFormat;
use super::zstd::ZstdDecoder;
use crate::contract::SqlError;

/// Bytes read from a file at a time.
const READ_BYTES: usize = 128 * 1024;

/// How files begin that tell by themselves how they are compressed.
const BEGINNINGS: [(&[u8], Compression); 3] = [
    (&[0x1f, 0x8b], Compression::Gzip),
    (b"BZh", Compression::Bzip2),
    (&[0x28, 0xb5, 0x2f, 0xfd], Compression::Zstd),
];

/// Endings of compressed files and what they are called.
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
    /// bzip2.
    Bzip2,
    /// Brotli, which nothing but a format's word tells.
    Brotli,
    /// Zstandard.
    Zstd,
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
        let begun = BEGINNINGS
            .iter()
            .find(|(bytes, _)| head[..read].starts_with(bytes));
        if let Some((_, compression)) = begun {
            return Ok(*compression);
        }
        let name = name.to_ascii_lowercase();
        match ENDINGS.iter().find(|(ending, _)| name.ends_with(ending)) {
            // A name alone does not make one of these of a file.
            Some((_, "GZIP" | "BZ2" | "ZSTD" | "BROTLI")) | None => Ok(Self::None),
            Some((_, kind)) => Self::named(kind),
        }
    }

    fn named(word: &str) -> Result<Self, SqlError> {
        match word {
            "NONE" => Ok(Self::None),
            "GZIP" => Ok(Self::Gzip),
            "DEFLATE" => Ok(Self::Deflate),
            "RAW_DEFLATE" => Ok(Self::RawDeflate),
            "BZ2" => Ok(Self::Bzip2),
            "BROTLI" => Ok(Self::Brotli),
            "ZSTD" => Ok(Self::Zstd),
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
            Self::Bzip2 => Box::new(MultiBzDecoder::new(file)),
            Self::Brotli => Box::new(Decompressor::new(file, READ_BYTES)),
            Self::Zstd => Box::new(ZstdDecoder::new(file)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use bzip2::write::BzEncoder;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

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
        let bzip2 = |text: &str| {
            let mut encoder = BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        let zstd = |text: &str| compress_to_vec(text.as_bytes(), CompressionLevel::Fastest);
        // As `brotli` writes it: one block that is stored as it is.
        let brotli = b"\x0b\x01\x80abc\x03".to_vec();
        for (said, name, bytes) in [
            ("AUTO", "x.csv", b"abc".to_vec()),
            ("AUTO", "x.csv.gz", b"abc".to_vec()),
            ("AUTO", "x.csv", [gzip("a"), gzip("bc")].concat()),
            ("GZIP", "x", gzip("abc")),
            ("AUTO", "x.deflate", zlib.finish().unwrap()),
            ("RAW_DEFLATE", "x", raw.finish().unwrap()),
            ("AUTO", "x.csv", [bzip2("ab"), bzip2("c")].concat()),
            ("BZ2", "x", bzip2("abc")),
            ("AUTO", "x.csv", [zstd("ab"), zstd("c")].concat()),
            ("ZSTD", "x", zstd("abc")),
            ("AUTO", "x.zst", b"abc".to_vec()),
            ("BROTLI", "x", brotli),
            ("AUTO", "x.br", b"abc".to_vec()),
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
        std::fs::write(&path, b"abc").unwrap();
        let refused = Compression::of(&format, &path, "x.xz").unwrap_err();
        assert_eq!(
            refused.message,
            "SQL compilation error:\nUnsupported feature 'COMPRESSION = XZ'."
        );
        for said in ["GZIP", "DEFLATE", "BZ2", "BROTLI", "ZSTD"] {
            let mut format = FileFormat::new(FileKind::Csv);
            format.set("COMPRESSION", vec![said.to_owned()]).unwrap();
            let compression = Compression::of(&format, &path, "x").unwrap();
            let mut text = Vec::new();
            let read = compression.open(&path).unwrap().read_to_end(&mut text);
            assert!(read.is_err(), "{said}");
        }
        assert!(Compression::is_told_by("a.CSV.GZ") && !Compression::is_told_by("a.csv"));
        assert!(Compression::is_told_by("a.parquet"));
    }
}
