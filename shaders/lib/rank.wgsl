{%- define "pairs" %}
const NONE: u32 = 0xffffffffu;
// Places hold (value, id) pairs.
var<workgroup> values: array<f32, PLACES>;
var<workgroup> ids: array<u32, PLACES>;

// beats orders pairs: the larger value first, ties by the smaller id; NONE loses to all.
fn beats(v: f32, i: u32, w: f32, j: u32) -> bool {
	return i != NONE && (j == NONE || v > w || (v == w && i < j));
}
{%- end %}

{%- define "lists" %}
{% template "pairs" . %}
// The functions below are called by all LANES lanes, and end with a barrier. Lists of K pairs lie one after the other in the first
// `count` places, both powers of two. Batcher 1968.

// order puts the better of two places first.
fn order(a: u32, b: u32) {
	let v = values[a];
	let i = ids[a];
	let w = values[b];
	let j = ids[b];
	if (beats(w, j, v, i)) {
		values[a] = w;
		ids[a] = j;
		values[b] = v;
		ids[b] = i;
	}
}

// settle sorts lists of `size` that rise and then fall, or the other way round.
fn settle(lane: u32, count: u32, size: u32) {
	for (var width = size / 2u; width > 0u; width /= 2u) {
		for (var p = lane; p < count / 2u; p += LANES) {
			let a = p + (p & ~(width - 1u)); // GPUs have no division; widths are powers of two
			order(a, a + width);
		}
		workgroupBarrier();
	}
}

// sort_lists sorts lists that are in no order, best first: sorted halves are joined, the second turned round.
fn sort_lists(lane: u32, count: u32) {
	for (var size = 2u; size <= K; size *= 2u) {
		let width = size / 2u;
		for (var p = lane; p < count / 2u; p += LANES) {
			let i = p & (width - 1u);
			let list = (p - i) * 2u;
			order(list + i, list + size - 1u - i);
		}
		workgroupBarrier();
		settle(lane, count, width);
	}
}

// merge_lists leaves the K best of all sorted lists in the first. The K best of two are the better of each place and its
// mirror image, which rise and fall.
fn merge_lists(lane: u32, count: u32) {
	for (var left = count / 2u; left >= K; left /= 2u) {
		for (var p = lane; p < left; p += LANES) {
			let q = left + p / K * K + K - 1u - p % K;
			if (beats(values[q], ids[q], values[p], ids[p])) {
				values[p] = values[q];
				ids[p] = ids[q];
			}
		}
		workgroupBarrier();
		settle(lane, left, K);
	}
}
{%- end %}
