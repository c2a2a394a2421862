//! Squarified treemaps (Bruls, Huizing, van Wijk 2000): areas in proportion, boxes as square as they can be.

/// A box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rectangle {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Returns a box for each of `sizes`, which fall, are positive and not empty; together they fill `whole`.
pub(super) fn squarify(sizes: &[f64], whole: Rectangle) -> Vec<Rectangle> {
    let total: f64 = sizes.iter().sum();
    let scale = whole.width * whole.height / total.max(f64::MIN_POSITIVE);
    let areas: Vec<f64> = sizes.iter().map(|size| size * scale).collect();
    let mut boxes = Vec::with_capacity(areas.len());
    let mut left = whole;
    let mut first = 0;
    while first < areas.len() {
        let side = left.width.min(left.height);
        let mut last = first + 1;
        while last < areas.len() && worst(&areas[first..=last], side) <= worst(&areas[first..last], side) {
            last += 1;
        }
        left = row(&areas[first..last], left, &mut boxes);
        first = last;
    }
    boxes
}

/// The largest ratio of sides in a row along `side`.
fn worst(row: &[f64], side: f64) -> f64 {
    let sum: f64 = row.iter().sum();
    let thickness = sum / side.max(f64::MIN_POSITIVE);
    let ratio = |area: &f64| {
        let length = area / thickness.max(f64::MIN_POSITIVE);
        (length / thickness).max(thickness / length)
    };
    row.iter().map(ratio).fold(0.0, f64::max)
}

/// Lays one row along the shorter side and returns what is left.
fn row(areas: &[f64], left: Rectangle, boxes: &mut Vec<Rectangle>) -> Rectangle {
    let sum: f64 = areas.iter().sum();
    let standing = left.width >= left.height;
    let side = if standing { left.height } else { left.width };
    let thickness = sum / side.max(f64::MIN_POSITIVE);
    let mut at = 0.0;
    for area in areas {
        let length = area / thickness.max(f64::MIN_POSITIVE);
        boxes.push(if standing {
            Rectangle { x: left.x, y: left.y + at, width: thickness, height: length }
        } else {
            Rectangle { x: left.x + at, y: left.y, width: length, height: thickness }
        });
        at += length;
    }
    if standing {
        Rectangle { x: left.x + thickness, width: left.width - thickness, ..left }
    } else {
        Rectangle { y: left.y + thickness, height: left.height - thickness, ..left }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_fill_the_whole_in_proportion_and_do_not_overlap() {
        let whole = Rectangle { x: 0.0, y: 0.0, width: 600.0, height: 400.0 };
        let sizes = [6.0, 6.0, 4.0, 3.0, 2.0, 2.0, 1.0];
        let boxes = squarify(&sizes, whole);
        for (size, one) in sizes.iter().zip(&boxes) {
            let area = one.width * one.height;
            assert!((area - size * 10_000.0).abs() < 1.0, "{one:?}");
            // The paper's own example keeps below 3.
            assert!((one.width / one.height).max(one.height / one.width) < 3.0, "{one:?}");
            assert!(one.x >= -0.01 && one.x + one.width <= 600.01 && one.y + one.height <= 400.01, "{one:?}");
        }
        for (index, a) in boxes.iter().enumerate() {
            for b in &boxes[index + 1..] {
                let beside = a.x + a.width <= b.x + 0.01 || b.x + b.width <= a.x + 0.01;
                let above = a.y + a.height <= b.y + 0.01 || b.y + b.height <= a.y + 0.01;
                assert!(beside || above, "{a:?} and {b:?} overlap");
            }
        }
    }
}
