//! Punycode encoding (RFC 3492), for the init functions of modules with non-ASCII names (PEP 489).

const BASE: u32 = 36;
const T_MIN: u32 = 1;
const T_MAX: u32 = 26;

/// The encoded text; `None` on overflow.
pub(super) fn encode(text: &str) -> Option<String> {
    let basic = text.chars().filter(char::is_ascii).count() as u32;
    let mut output: String = text.chars().filter(char::is_ascii).collect();
    if basic > 0 {
        output.push('-');
    }
    let (mut code, mut delta, mut bias, mut handled) = (128_u32, 0_u32, 72, basic);
    while handled < text.chars().count() as u32 {
        let next = text.chars().map(u32::from).filter(|next| *next >= code).min()?;
        delta = delta.checked_add((next - code).checked_mul(handled + 1)?)?;
        code = next;
        for character in text.chars().map(u32::from) {
            if character < code {
                delta = delta.checked_add(1)?;
            } else if character == code {
                encode_integer(delta, bias, &mut output);
                bias = adapt_bias(delta, handled + 1, handled == basic);
                delta = 0;
                handled += 1;
            }
        }
        delta = delta.checked_add(1)?;
        code = code.checked_add(1)?;
    }
    Some(output)
}

fn encode_integer(mut rest: u32, bias: u32, output: &mut String) {
    let digit = |digit: u32| char::from_digit(digit, BASE).unwrap_or('?');
    // In RFC 3492 the digits are a-z, then 0-9.
    let digit = |value: u32| if value < 26 { digit(value + 10) } else { digit(value - 26) };
    let mut weight = BASE;
    loop {
        let threshold = weight.saturating_sub(bias).clamp(T_MIN, T_MAX);
        if rest < threshold {
            output.push(digit(rest));
            return;
        }
        output.push(digit(threshold + (rest - threshold) % (BASE - threshold)));
        rest = (rest - threshold) / (BASE - threshold);
        weight += BASE;
    }
}

fn adapt_bias(delta: u32, count: u32, first: bool) -> u32 {
    let mut delta = if first { delta / 700 } else { delta / 2 };
    delta += delta / count;
    let mut weight = 0;
    while delta > (BASE - T_MIN) * T_MAX / 2 {
        delta /= BASE - T_MIN;
        weight += BASE;
    }
    weight + (BASE - T_MIN + 1) * delta / (delta + 38)
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn as_python_does() {
        assert_eq!(encode("ěščř").as_deref(), Some("bea1a5n4a"));
        assert_eq!(encode("bücher").as_deref(), Some("bcher-kva"));
    }
}
