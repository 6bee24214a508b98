//! The arithmetic of decimal floating-point numbers.

use super::*;

fn number(text: &str) -> DecFloat {
    DecFloat::parse(text).unwrap().unwrap()
}

#[track_caller]
fn check(found: Result<DecFloat>, expected: &str) {
    assert_eq!(found.map(|number| number.to_string()).as_deref(), Ok(expected));
}

#[test]
fn texts_are_read_and_written() {
    for (text, expected) in [
        ("0", "0"),
        ("-0.00", "0"),
        ("555", "555"),
        ("1000", "1000"),
        ("-123.450", "-123.45"),
        (".5", "0.5"),
        ("0.000005", "0.000005"),
        ("0.0000005", "5E-7"),
        ("1e40", "1E40"),
        ("-1234e4000", "-1.234E4003"),
        (
            "12345678901234567890123456789012345678",
            "12345678901234567890123456789012345678",
        ),
        (
            "123456789012345678901234567890123456785",
            "1.2345678901234567890123456789012345679E38",
        ),
        ("99999999999999999999999999999999999999.9", "1E38"),
        ("1e-20000", "0"),
    ] {
        assert_eq!(number(text).to_string(), expected, "{text}");
    }
    for text in ["", "x", "1e", "e5", "1.2.3", ".", "--1", "1e1.5"] {
        assert_eq!(DecFloat::parse(text), Ok(None), "{text}");
    }
    for text in ["1e16385", "-1e99999999999", "10e16384"] {
        assert_eq!(DecFloat::parse(text), Err(DecFloatError::OutOfRange), "{text}");
    }
}

#[test]
fn keys_sort_as_numbers_do() {
    let ordered = [
        "-1e16384",
        "-12",
        "-11.9",
        "-1",
        "-0.5",
        "-1e-16383",
        "0",
        "1e-16383",
        "0.1",
        "0.11",
        "1",
        "9",
        "10",
        "11",
        "1e38",
        "1.1e38",
        "1e16384",
    ];
    for pair in ordered.windows(2) {
        assert!(number(pair[0]) < number(pair[1]), "{pair:?}");
    }
    for text in ordered {
        assert_eq!(
            DecFloat::from_key(&number(text).key()),
            Some(number(text)),
            "{text}"
        );
    }
    assert_eq!(number("1.50").key(), number("15e-1").key());
    assert_eq!(DecFloat::from_key(&[7; DECFLOAT_KEY_BYTES]), None);
    assert_eq!(DecFloat::from_key(&[]), None);
}

#[test]
fn parts_of_whole_numbers_have_no_exponent() {
    assert_eq!(number("1000").parts(), (1000, 0));
    assert_eq!(number("-1.5").parts(), (-15, -1));
    assert_eq!(number("1e40").parts(), (1, 40));
    assert_eq!(DecFloat::from_unscaled(-150, 2), number("-1.5"));
}

#[test]
fn calculations_are_rounded_once() {
    check(number("0.1").plus(number("0.2")), "0.3");
    check(number("1e38").plus(number("1")), "1E38");
    check(
        number("1e37").plus(number("1")),
        "10000000000000000000000000000000000001",
    );
    check(number("1e100").subtract(number("1e-100")), "1E100");
    check(
        number("1e37").subtract(number("0.4")),
        "9999999999999999999999999999999999999.6",
    );
    check(number("5").subtract(number("5")), "0");
    check(number("3").subtract(number("5.5")), "-2.5");
    check(number("1.5e200").multiply(number("-2e100")), "-3E300");
    check(
        number("99999999999999999999999999999999999999")
            .multiply(number("99999999999999999999999999999999999999")),
        "9.9999999999999999999999999999999999998E75",
    );
    check(
        number("1").divide(number("3")),
        "0.33333333333333333333333333333333333333",
    );
    check(
        number("2").divide(number("3")),
        "0.66666666666666666666666666666666666667",
    );
    check(number("-1").divide(number("8")), "-0.125");
    check(number("0").divide(number("7")), "0");
    check(number("1e-8000").divide(number("1e8000")), "1E-16000");
    assert_eq!(
        number("1").divide(number("0")),
        Err(DecFloatError::DivisionByZero)
    );
    assert_eq!(
        number("1e10000").multiply(number("1e10000")),
        Err(DecFloatError::OutOfRange)
    );
}

#[test]
fn remainders_are_exact() {
    for (dividend, divisor, expected) in [
        ("7.5", "2", "1.5"),
        ("-7", "3", "-1"),
        ("7", "-3", "1"),
        ("6", "3", "0"),
        ("0", "3", "0"),
        // More digits in the quotient than a number has.
        ("1e50", "3", "1"),
        ("-1e50", "7", "-2"),
        ("1e16384", "7", "4"),
        ("1e50", "0.3", "0.1"),
        (
            "99999999999999999999999999999999999999e5",
            "99999999999999999999999999999999999998",
            "100000",
        ),
        ("2.5", "1e-38", "0"),
        ("1", "3e-16383", "1E-16383"),
        // A divisor far larger than the dividend.
        ("1.5", "1e50", "1.5"),
        ("1e-16383", "1e16384", "1E-16383"),
        ("12345.678", "1e4", "2345.678"),
        ("-0.5", "3e37", "-0.5"),
    ] {
        check(number(dividend).remainder(number(divisor)), expected);
    }
    assert_eq!(
        number("1").remainder(number("0")),
        Err(DecFloatError::DivisionByZero)
    );
}

#[test]
fn rounding_takes_places() {
    let value = number("-1234.565");
    check(value.round(2), "-1234.57");
    assert_eq!(value.truncated(2).to_string(), "-1234.56");
    check(value.round(-2), "-1200");
    check(value.round(-9), "0");
    assert_eq!(value.round(9), Ok(value));
    assert_eq!(number("9.5e16384").round(-16_384), Err(DecFloatError::OutOfRange));
    assert_eq!(
        number("9.5e16384").round_ties_even(-16_384),
        Err(DecFloatError::OutOfRange)
    );
    check(number("8.5e16384").round_ties_even(-16_384), "8E16384");
    check(value.ceil(0), "-1234");
    check(value.floor(0), "-1235");
    check(number("2.1").ceil(0), "3");
    check(number("2").floor(0), "2");
    check(number("1e-100").round(0), "0");
    check(number("1e-100").ceil(0), "1");
}
