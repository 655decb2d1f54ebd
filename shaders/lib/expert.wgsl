{%- define "routes" %}
// routes has sections of words, by pair of a token row and an expert that it chose: pair = row * USED + turn.
//   expert of each pair | f32 weight of each pair | pairs in the order of their experts | number of tiles | tiles: expert, first, end
// A tile is a run of pairs in that order which share an expert.
const USED: u32 = {% .Used %}u;
const EXPERTS: u32 = {% .Experts %}u;
fn pairs() -> u32 { return step.rows * USED; }
fn weight_at() -> u32 { return pairs(); }
fn order_at() -> u32 { return 2u * pairs(); }
fn count_at() -> u32 { return 3u * pairs(); }
fn tiles_at() -> u32 { return 3u * pairs() + 1u; }
{%- end %}

{%- define "routed" %}
{% .Binding %} var<storage, read> routes: array<u32>;
{% template "routes" .Experts.Routing %}
const FIRST: u32 = {% .Experts.First %}u; // expert whose weights come first in wq
const HELD: u32 = {% .Experts.Held %}u; // experts there

// pair is row t of what is multiplied: {% if .Experts.Grouped %}in the order of experts{% else %}the pair itself{% end %}.
fn pair(t: u32) -> u32 { return {% if .Experts.Grouped %}routes[order_at() + t]{% else %}t{% end %}; }
fn x_row(t: u32) -> u32 { return pair(t){% if not .Experts.Paired %} / USED{% end %}; }
{%- end %}

{%- define "routed_tokens" -%}
{%- if .Experts.Grouped %}
	if (tile >= routes[count_at()]) { return; }
	let entry = tiles_at() + tile * 3u;
	let expert = routes[entry] - FIRST;
	let token = routes[entry + 1u];
	let end = select(0u, routes[entry + 2u], expert < HELD);
{%- else %}
	if (tile >= pairs()) { return; }
	let expert = routes[tile] - FIRST; // below FIRST it wraps around
	let token = tile;
	let end = select(0u, tile + 1u, expert < HELD);
{%- end %}
	let slab = expert * N;
{%- end %}
