"""Tiny models of different kinds, with weights at trained scale: text, vision, audio, several modalities."""

import tiny_models


def _config(kind):
    import transformers as t

    if kind == "llama":
        return t.LlamaModel, t.LlamaConfig(
            vocab_size=99, hidden_size=32, intermediate_size=37, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=4, max_position_embeddings=40, rms_norm_eps=1e-6,
        )  # fmt: skip
    if kind == "resnet":
        return t.ResNetModel, t.ResNetConfig(
            num_channels=3, embedding_size=8, hidden_sizes=[8, 12], depths=[1, 2], layer_type="basic"
        )
    if kind == "wav2vec2":
        return t.Wav2Vec2Model, t.Wav2Vec2Config(
            vocab_size=32, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=37,
            conv_dim=(16, 16), conv_stride=(5, 2), conv_kernel=(10, 3), num_feat_extract_layers=2,
            num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4, apply_spec_augment=False,
        )  # fmt: skip
    if kind == "clip":
        return t.CLIPModel, t.CLIPConfig(
            text_config={"vocab_size": 99, "hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2,
                         "num_attention_heads": 4, "max_position_embeddings": 40, "projection_dim": 24, "eos_token_id": 98,
                         "bos_token_id": 97, "pad_token_id": 1},
            vision_config={"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4,
                           "image_size": 30, "patch_size": 6, "projection_dim": 24},
            projection_dim=24,
        )  # fmt: skip
    raise ValueError(kind)


def build(kind, folder):
    """A tiny model of that type in `folder`."""
    import torch

    if kind in ("bert", "vit", "gpt2"):
        return tiny_models.build(kind, None, folder)
    model_class, config = _config(kind)
    torch.manual_seed(0)
    model = model_class(config).eval()
    tiny_models.set_trained_scale(model)
    with torch.no_grad():
        for name, value in model.named_buffers():
            if name.endswith("running_mean"):
                value.normal_(0, 0.1)
            if name.endswith("running_var"):
                value.uniform_(0.5, 1.5)
    model.save_pretrained(folder)
    return folder
