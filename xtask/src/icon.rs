//! `cargo xtask icon`: the plugin's picture, drawn here so that it is ours to license.
//!
//! A prompt and a crystal of ice on a rounded square, all of them lines with round ends. A pixel's colour is mixed by
//! how far the shapes' edges are from it, which is all the smoothing that a picture of this size needs.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

use crate::shell;

/// Pixels on a side; plugin directories take 512 to 2048.
const SIDE: u32 = 512;

type Point = (f32, f32);
type Colour = [f32; 3];

const GROUND: Colour = [14.0, 42.0, 71.0];
const PROMPT: Colour = [245.0, 248.0, 250.0];
const ICE: Colour = [126.0, 205.0, 235.0];

/// Draw the plugin's icon
#[derive(Debug, clap::Args)]
pub(crate) struct IconArgs {}

/// Draws it into the plugin's folder.
pub(crate) fn run(_: &IconArgs, log: &mut dyn Write) -> Result<()> {
    let path = path();
    fs::write(&path, png(&scanlines())?)?;
    writeln!(log, "icon: {}", path.display())?;
    Ok(())
}

fn path() -> PathBuf {
    shell::repository().join("plugin/.claude-plugin/icon.png")
}

/// The picture's lines as a PNG holds them: a filter byte and four bytes a pixel.
fn scanlines() -> Vec<u8> {
    let mut bytes = Vec::new();
    for y in 0..SIDE {
        bytes.push(0);
        for x in 0..SIDE {
            bytes.extend(pixel((x as f32 + 0.5, y as f32 + 0.5)));
        }
    }
    bytes
}

fn pixel(at: Point) -> [u8; 4] {
    let lines = |colour: Colour, lines: &[(Point, Point)]| {
        let distance = lines
            .iter()
            .map(|line| from_line(at, *line))
            .fold(f32::MAX, f32::min);
        (colour, covered(distance - 22.0))
    };
    let prompt = lines(
        PROMPT,
        &[((104.0, 168.0), (190.0, 256.0)), ((190.0, 256.0), (104.0, 344.0))],
    );
    let crystal = lines(ICE, &crystal());
    let mut mixed = GROUND;
    for (colour, share) in [prompt, crystal] {
        for (part, wanted) in mixed.iter_mut().zip(colour) {
            *part += (wanted - *part) * share;
        }
    }
    let opaque = covered(from_square(at)) * 255.0;
    [mixed[0], mixed[1], mixed[2], opaque].map(|part| part.round() as u8)
}

/// Three lines through one point.
fn crystal() -> [(Point, Point); 3] {
    let middle: Point = (330.0, 256.0);
    // Cosine and sine of 90, 30 and 150 degrees: written out, they are the same on every machine.
    [(0.0, 1.0), (0.866_025_4, 0.5), (-0.866_025_4, 0.5)].map(|(x, y): Point| {
        let (x, y) = (x * 96.0, y * 96.0);
        ((middle.0 - x, middle.1 - y), (middle.0 + x, middle.1 + y))
    })
}

/// How much of a pixel lies inside an edge that is this far away.
fn covered(distance: f32) -> f32 {
    (0.5 - distance).clamp(0.0, 1.0)
}

fn from_line(at: Point, (from, to): (Point, Point)) -> f32 {
    let along = (to.0 - from.0, to.1 - from.1);
    let there = (at.0 - from.0, at.1 - from.1);
    let share = (there.0 * along.0 + there.1 * along.1) / (along.0 * along.0 + along.1 * along.1);
    let share = share.clamp(0.0, 1.0);
    length((there.0 - along.0 * share, there.1 - along.1 * share))
}

/// Distance from the edge of the rounded square that fills the picture; less than nothing inside.
fn from_square(at: Point) -> f32 {
    const ROUNDING: f32 = 96.0;

    let half = SIDE as f32 / 2.0;
    let beyond = |part: f32| (part - half).abs() - (half - ROUNDING);
    let (x, y) = (beyond(at.0), beyond(at.1));
    length((x.max(0.0), y.max(0.0))) + x.max(y).min(0.0) - ROUNDING
}

fn length((x, y): Point) -> f32 {
    (x * x + y * y).sqrt()
}

/// A PNG of these lines: the header, one chunk of data, the end.
fn png(scanlines: &[u8]) -> Result<Vec<u8>> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    packed.write_all(scanlines)?;
    let mut header = Vec::new();
    header.extend(SIDE.to_be_bytes());
    header.extend(SIDE.to_be_bytes());
    // Eight bits, red-green-blue-alpha, and the only compression, filtering and order without interlacing.
    header.extend([8, 6, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut bytes, *b"IHDR", &header);
    chunk(&mut bytes, *b"IDAT", &packed.finish()?);
    chunk(&mut bytes, *b"IEND", &[]);
    Ok(bytes)
}

fn chunk(bytes: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    bytes.extend((data.len() as u32).to_be_bytes());
    let mut sum = Crc::new();
    for part in [&kind, data] {
        sum.update(part);
        bytes.extend(part);
    }
    bytes.extend(sum.sum().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::ZlibDecoder;

    use super::*;

    #[test]
    fn the_plugin_has_the_picture_that_is_drawn_here() {
        let file = fs::read(path()).unwrap();
        // Signature, header and the data chunk's own eight bytes; how it is packed may differ between packers.
        let mut there = Vec::new();
        ZlibDecoder::new(&file[8 + 25 + 8..])
            .read_to_end(&mut there)
            .unwrap();
        assert!(
            there == scanlines(),
            "the icon is another; `cargo xtask icon` draws it"
        );
    }

    #[test]
    fn corners_are_clear_and_the_crystal_is_ice() {
        assert_eq!(pixel((0.5, 0.5))[3], 0);
        assert_eq!(pixel((330.5, 256.5)), [126, 205, 235, 255]);
        assert_eq!(pixel((256.5, 30.5)), [14, 42, 71, 255]);
    }
}
