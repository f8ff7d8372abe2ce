"""Tiny configurations of any Transformers model type: the same architecture with small sizes.

A configuration is made from its class alone. Its defaults are looked at field by field, and each field that is a size is
replaced by a small one, by its name: widths become WIDTH, heads HEADS, and so on. Fields that Transformers derives from
others are left to it. What those rules get wrong for one model type stands in `exceptions/`.
"""

import dataclasses
import functools
import importlib
import inspect
import re

WIDTH, HEADS, HEAD_SIZE, FEED_FORWARD, LAYERS = 64, 4, 16, 96, 2
VOCABULARY, POSITIONS, EXPERTS, IMAGE_PATCHES = 128, 128, 4, 4

# (pattern of a field's name, what becomes of its value); the first that matches decides. A function may return None: as
# it is.
RULES = [
    # Numbers that look like sizes and are none.
    (r"(^|_)(stride|kernel|kernel_size|groups|dropout|drop_rate|eps|epsilon|id|index|temperature|theta|base)s?$", None),
    (r"_token_id$|_token_index$|_token_ids$", None),  # see `token_ids`
    # Vocabularies; before the widths, whose names end alike.
    (r"(^|_)vocab_size(_|$)|^num_embeddings$|codebook_size$", lambda v: min(v, VOCABULARY)),
    (r"^(sliding_window|sliding_window_size|attention_chunk_size)$", lambda v: min(v, 8)),
    (r"^rotary_dim$", lambda v: min(v, HEAD_SIZE // 2)),
    (r"^(n_groups|mamba_n_groups)$", lambda v: min(v, 2)),
    (r"^num_filters$", lambda v: min(v, 8)),
    (r"^iou_head_depth$", None),
    (r"^(num_labels|num_channels|in_channels|num_feature_levels|spatial_merge_size|temporal_patch_size)$", None),
    (r"^(num_codevector_groups|num_conv_pos_embedding_groups)$", lambda v: 2),
    (r"^(num_conv_pos_embeddings)$", lambda v: min(v, 16)),
    # How many of something.
    (r"^first_k_dense_replace$|^max_window_layers$|^num_dense_layers$", lambda v: min(v, 1)),
    (r"^num_kv_shared_layers$", None),  # see `shared_layers`
    (r"^(no_rope_layer_interval|(encoder_|decoder_)?sparse_step)$", lambda v: min(v, LAYERS)),
    (r"(^|_)(num_experts_per_tok(en)?|moe_topk|moe_top_k|top_k_experts|num_selected_experts|moe_k|top_k)$", lambda v: min(v, 2)),
    (r"(^|_)(num_(local_|routed_)?experts|n_routed_experts|moe_num_experts)$", lambda v: min(v, EXPERTS)),
    (r"^(n_group|topk_group|num_expert_group)$", None),  # see `expert_groups`
    (r"^(n_shared_experts|num_shared_experts|moe_num_shared_experts)$", lambda v: min(v, 2)),
    (r"(hidden_layers|^n_layers?|num_layers|_layers|^layers|^depth|_depth|num_blocks|num_encoder_blocks_)$", lambda v: min(v, LAYERS)),
    (r"(num_key_value_heads|num_kv_heads|n_head_kv|n_kv_heads)$", None),  # see `key_value_heads`
    (r"(linear_num_key_heads|index_n_heads)$", lambda v: min(v, 2)),
    (r"(_heads?|^n_heads?|num_heads)$", lambda v: min(v, HEADS)),
    (r"^(num_queries|num_query_tokens|resampler_n_latents|num_latents|latent_query_num)$", lambda v: min(v, 6)),
    # Widths.
    (r"(qk_rope_head_dim)$", lambda v: min(v, 8)),
    (r"(kv_lora_rank|q_lora_rank|o_lora_rank)$", lambda v: min(v, 24)),
    (r"^(qk_head_dim)$", lambda v: 24),
    (r"(head_dim|dim_head|head_size|^d_kv|^d_head|attention_head_dim|kv_channels|mamba_d_head)$", lambda v: min(v, HEAD_SIZE)),
    (r"(^|_)(intermediate|ffn|d_ff|mlp_dim|n_inner|feed_?forward|d_inner|dim_feedforward|mlp_hidden)", lambda v: min(v, FEED_FORWARD)),
    (r"^(mamba_)?(d_state|state_size|ssm_state_size)$|_d_state$", lambda v: min(v, 16)),
    (r"(time_step_rank|dt_rank)$", lambda v: min(v, 8)),
    (r"(chunk_size)$", lambda v: min(v, 16)),
    (r"(hidden_size|hidden_dim|_hidden|d_model|n_embd|embed_dim|emb_dim|embedding_size|embedding_dim|_width|^width|^dim|"
     r"projection_dim|proj_dim|proj_size|project_dim|output_dim|codevector_dim|feature_dim|_channels|out_dim|"
     r"_size_per_layer_input|hidden_channels|latent_dim|codebook_dim|pooler_output_size|query_dim)$", lambda v: min(v, WIDTH)),
    # Positions.
    (r"(max_position_embeddings|n_positions|max_.*positions?|max_seq_len|n_ctx|max_sequence_length)$", lambda v: min(v, POSITIONS)),
]  # fmt: skip
RULES = [(re.compile(pattern), rule) for pattern, rule in RULES]


# Rules that hold whatever the widths are.
COUNTS = re.compile(
    r"experts|vocab|codebook_size|num_embeddings|hidden_layers|^n_layers?|num_layers|_layers|^layers|^depth$|max_(.*_)?position|n_positions|"
    r"first_k_dense|num_nextn|no_rope_layer_interval|sparse_step|num_queries|num_.*conv_pos"
)  # fmt: skip


def tiny_config(model_type, changes=None, keep_widths=False):
    """The configuration of a tiny model of a type.

    changes: fields to set after the rules, nested for parts. keep_widths: only fewer layers, experts and words, for
    architectures whose widths depend on each other in ways that no rule knows.
    """
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    return Shrinker(keep_widths).build(CONFIG_MAPPING[model_type], changes or {})


def give_padding(config):
    """Sets a padding token where the type's default has none: decoders score a text at its last token before the padding,
    and refuse several texts without one."""
    parts = list({id(c): c for c in (config, config.get_text_config())}.values())
    taken = {value_of(part, n) for part in parts for n in vars(part) if re.search(r"_token_(id|index)$", n)}
    for part in parts:
        vocabulary = value_of(part, "vocab_size")
        if value_of(part, "pad_token_id") is None and is_whole(vocabulary):
            part.pad_token_id = next(i for i in reversed(range(vocabulary)) if i not in taken)


def value_of(config, name):
    """A field, or None where the class does not give it (fields that vary by layer)."""
    try:
        return getattr(config, name, None)
    except Exception:  # noqa: BLE001 (Transformers raises what it likes here)
        return vars(config).get(name)


def sub_configs(config_class):
    return list(getattr(config_class, "sub_configs", None) or {})


def field_defaults(config_class):
    """{field: default} of what the class itself (or its bases below PreTrainedConfig) declares."""
    from transformers import PreTrainedConfig

    base = {f.name for f in dataclasses.fields(PreTrainedConfig)}
    found = {}
    for field in dataclasses.fields(config_class):
        if field.name in base or field.name.startswith("_"):
            continue
        default = field.default
        if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        found[field.name] = None if default is dataclasses.MISSING else default
    return found


def given_fields(config_class, config):
    """Fields of a part that differ from what its class would make by itself: its parent set them."""
    try:
        plain = config_class()
    except Exception:  # noqa: BLE001 (a class that needs arguments has no plain form)
        return {}
    names = [n for n in field_defaults(config_class) if n not in sub_configs(config_class)]
    given = {n: value_of(config, n) for n in names if value_of(config, n) != value_of(plain, n)}
    for name in ("out_features", "out_indices", "is_decoder", "add_cross_attention", "tie_word_embeddings"):
        if hasattr(config, name) and value_of(config, name) != value_of(plain, name):
            given[name] = value_of(config, name)
    if "out_features" in given and "out_indices" in given:
        del given["out_indices"]
    return given


def is_whole(value):
    return type(value) is int


def is_list(value):
    """A list of whole numbers."""
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(is_whole(v) for v in value)


@functools.cache
def modeling_source(config_class):
    """The text of the module that holds the models of a configuration class."""
    try:
        name = config_class.__module__.replace(".configuration_", ".modeling_")
        return inspect.getsource(importlib.import_module(name))
    except (ImportError, OSError):
        return ""


class Shrinker:
    """Makes small configurations of one model type, its parts included."""

    def __init__(self, keep_widths):
        self.keep_widths = keep_widths
        self.special = {}  # id of a special token → its number

    def build(self, config_class, changes, default=None):
        """An instance of a configuration class with small sizes."""
        if default is None:
            default = config_class(**{n: v for n, v in changes.items() if not isinstance(v, dict)})
            values = {}
        else:  # what the parent gave to its part
            values = given_fields(config_class, default)
        values |= self.as_read(config_class, default) | self.small_fields(config_class, default)
        for name in sub_configs(config_class):
            part, wanted = value_of(default, name), changes.get(name, {})
            if hasattr(part, "to_dict") and isinstance(wanted, dict):
                values[name] = self.build(type(part), wanted, part)
        self.fit_outputs(values, default)
        if "out_features" in changes or "out_indices" in changes:
            values = {n: v for n, v in values.items() if n not in ("out_features", "out_indices")}
        values |= {n: v for n, v in changes.items() if n not in values or not hasattr(values[n], "to_dict")}
        return config_class(**values)

    def as_read(self, config_class, config):
        """Tuples as the lists that a configuration read from a file has; models may only know those."""
        fields = [n for n in field_defaults(config_class) if n not in sub_configs(config_class)]
        return {n: list(value_of(config, n)) for n in fields if isinstance(value_of(config, n), tuple)}

    def fit_outputs(self, values, default):
        """As many layers as a backbone gives outputs of, and those the first ones."""
        features = values.get("out_features") or []
        layers = next((n for n in ("num_hidden_layers", "num_layers") if n in values), None)
        numbers = [int(f.removeprefix("stage")) for f in features if re.fullmatch(r"stage\d+", f)]
        if layers is None or not numbers or max(numbers) <= values[layers]:
            return
        values[layers] = max(values[layers], len(numbers))
        values["out_features"] = [f"stage{i + 1}" for i in range(values[layers] - len(numbers), values[layers])]

    def small_fields(self, config_class, config):
        """{field: small value} for the fields that change."""
        fields = [n for n in field_defaults(config_class) if n not in sub_configs(config_class)]
        is_staged = self.is_staged(fields, config)
        found = {}
        for name in fields:
            value = value_of(config, name)
            if is_whole(value) and (small := self.small_number(name, value, is_staged)) is not None:
                found[name] = small
        if not (self.keep_widths or is_staged):
            found |= self.key_value_heads(fields, config)
            if "head_dim" in fields and value_of(config, "head_dim") is None:
                found["head_dim"] = HEAD_SIZE
        found |= self.stages(fields, config)
        found |= self.expert_groups(fields, config)
        found |= self.layer_lists(fields, config, found)
        found |= self.shared_layers(fields, config, found)
        found |= self.token_ids(fields, config)
        found |= self.image_sizes(fields, config, is_staged)
        found |= self.rotary(config, found)
        return {n: v for n, v in found.items() if v != value_of(config, n)}

    def is_staged(self, fields, config):
        """Whether the sizes are lists with an entry a stage, as in convolutional backbones: there widths stay."""
        stage = re.compile(
            r"^depths$|hidden_sizes|embed_dims|stage_|stem_channels|channel_list|block_configs|^(?!conv_).*kernel_sizes"
        )
        return any(
            stage.search(n) and isinstance(value_of(config, n), (list, tuple)) and len(value_of(config, n)) > 1
            for n in fields
        )

    def small_number(self, name, value, is_staged):
        for pattern, rule in RULES:
            if pattern.search(name):
                is_width = not COUNTS.search(name)
                if rule is None or value <= 1 or (is_width and (self.keep_widths or is_staged)):
                    return None
                return rule(value)
        return None

    def key_value_heads(self, fields, config):
        """As many as query heads where it was so, one where it was one, else half of them."""
        found, query = {}, value_of(config, "num_attention_heads")
        for name in fields:
            value = value_of(config, name)
            if re.search(r"(num_key_value_heads|num_kv_heads|n_head_kv|n_kv_heads)$", name) and is_whole(query):
                few = min(query, HEADS)
                found[name] = few if value is None or value >= query else 1 if value == 1 else max(1, few // 2)
        return found

    def token_ids(self, fields, config):
        """Special tokens beyond a shrunk vocabulary get the last ids of it, each its own in the whole configuration."""
        sizes = [value_of(c, "vocab_size") for c in (config, value_of(config, "text_config")) if c is not None]
        vocabulary = min(next((s for s in sizes if is_whole(s)), VOCABULARY), VOCABULARY)
        found = {}
        for name in [*fields, "pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"]:
            value = value_of(config, name)
            if not re.search(r"(_token_id|_token_index|_token)s?$", name) or name in found:
                continue
            if is_whole(value) and value >= vocabulary and not name.startswith("num_"):
                # Equal ids of parent and part stay equal.
                index = self.special.setdefault(value, len(self.special))
                found[name] = max(vocabulary - 1 - index, 3)
            elif is_list(value) and max(value) >= vocabulary:
                found[name] = type(value)([min(value[0], 2)])
        return found

    def stages(self, fields, config):
        """Depths of stages become 1, but for the deepest's, which becomes 2: a second block has no new width or size, and
        in windowed attention it is the one whose windows are shifted."""
        found = {}
        for name in fields:
            value = value_of(config, name)
            if re.search(r"(^depths?|_depths?|stage_num_blocks|num_block_repeats)$", name) and is_list(value):
                deepest = value.index(max(value))
                found[name] = type(value)(min(v, 2 if i == deepest else 1) for i, v in enumerate(value))
        return found

    def expert_groups(self, fields, config):
        """Where experts come in groups of which some are chosen first: four groups of two experts, of which two."""
        groups = next((n for n in ("n_group", "num_expert_group") if n in fields), None)
        count = value_of(config, groups) if groups else None
        if not is_whole(count) or count <= 1:
            return {}
        found = {groups: min(count, 4)}
        chosen = value_of(config, "topk_group")
        if is_whole(chosen) and chosen > 1:
            found["topk_group"] = found[groups] if chosen == count else 2
        experts = r"(^|_)(num_(local_|routed_)?experts|n_routed_experts|moe_num_experts)$"
        return found | {n: 2 * found[groups] for n in fields if re.search(experts, n) and is_whole(value_of(config, n))}

    def shared_layers(self, fields, config, found):
        """Where the last layers take keys and values from layers before them, the last half does."""
        shared = value_of(config, "num_kv_shared_layers") if "num_kv_shared_layers" in fields else None
        layers = found.get("num_hidden_layers", value_of(config, "num_hidden_layers"))
        return {"num_kv_shared_layers": layers // 2} if is_whole(shared) and shared > 0 else {}

    def layer_lists(self, fields, config, found):
        """Lists with an entry a layer: one layer of each kind, in the order of their first appearance."""
        count_name = next((n for n in ("num_hidden_layers", "n_layer", "num_layers", "n_layers") if n in found), None)
        if count_name is None or value_of(config, count_name) <= LAYERS:
            return {}
        count = value_of(config, count_name)
        lists = {n: value_of(config, n) for n in fields}
        lists = {n: v for n, v in lists.items() if isinstance(v, (list, tuple)) and len(v) == count}
        if not lists:
            return {}
        rows, chosen = [repr(row) for row in zip(*lists.values(), strict=True)], []
        for i, row in enumerate(rows):
            if row not in [rows[c] for c in chosen] and len(chosen) < 4:
                chosen.append(i)
        chosen += [i for i in range(count) if i not in chosen][: max(0, LAYERS - len(chosen))]
        result = {name: type(value)(value[i] for i in sorted(chosen)) for name, value in lists.items()}
        return {**result, count_name: len(chosen)}

    def image_sizes(self, fields, config, is_staged):
        """An image of a few patches; for backbones with stages one that their strides divide."""
        size, patch = value_of(config, "image_size"), value_of(config, "patch_size")
        if "image_size" not in fields:
            return {}
        patch = patch[0] if is_list(patch) else patch
        small = 224 if is_staged else patch * IMAGE_PATCHES if is_whole(patch) and patch >= 8 else 64
        if is_whole(size):
            return {"image_size": min(size, small)}
        return {"image_size": type(size)(min(v, small) for v in size)} if is_list(size) else {}

    def rotary(self, config, found):
        """Sections of multi-axis rotary embeddings that add up to half of a small head."""
        parameters = value_of(config, "rope_parameters")
        if not isinstance(parameters, dict) or self.keep_widths:
            return {}
        sections = parameters.get("mrope_section")
        if sections is None and "mrope_section" in modeling_source(type(config)):
            sections = [16, 24, 24]  # a default that stands in the code
        if sections is None:
            return {}
        half = int(HEAD_SIZE * parameters.get("partial_rotary_factor", 1.0)) // 2
        if half < len(sections) or value_of(config, "rope_type") == "axial":
            return {}
        few = [max(1, s * half // sum(sections)) for s in sections]
        few[0] += half - sum(few)
        return {"rope_parameters": {**parameters, "mrope_section": few}}
