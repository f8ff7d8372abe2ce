"""Tiny models for every kind of input, as folders with a tokenizer or processor where one can be made."""

WORDS = "hi there ! i am a batch with more than one row and different input lengths .".split()


def build(name, folder):
    """Save the class `name` with weights at trained scale, and what makes its inputs; returns the folder."""
    import tiny_models
    import torch
    import transformers

    torch.manual_seed(0)
    settings = _config(name)
    model = getattr(transformers, name)(settings).eval()
    tiny_models.set_trained_scale(model)
    model.save_pretrained(folder)
    maker = _input_maker(name)
    if maker is not None:
        maker.save_pretrained(folder)
    return folder


def _config(name):
    import tiny_models
    import transformers as t

    two_parts = dict(
        d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=37, decoder_ffn_dim=37, vocab_size=99,
    )  # fmt: skip
    if name.startswith(("Bert", "GPT2", "ViT")):
        return tiny_models.config(next(kind for kind in ("bert", "gpt2", "vit") if name.lower().startswith(kind)))
    if name.startswith("DistilBert"):
        return t.DistilBertConfig(
            dim=32, n_layers=2, n_heads=4, hidden_dim=37, vocab_size=99, max_position_embeddings=40
        )
    if name.startswith("Albert"):
        return t.AlbertConfig(
            vocab_size=99, embedding_size=16, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
            intermediate_size=37, max_position_embeddings=40,
        )  # fmt: skip
    if name.startswith("DebertaV2"):
        return t.DebertaV2Config(
            vocab_size=99, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=37,
            max_position_embeddings=40, relative_attention=True, pos_att_type=["c2p", "p2c"],
        )  # fmt: skip
    if name.startswith("Bart"):
        return t.BartConfig(**two_parts, max_position_embeddings=40)
    if name.startswith("Whisper"):
        return t.WhisperConfig(
            **two_parts, max_source_positions=30, max_target_positions=20, num_mel_bins=20, pad_token_id=98,
            bos_token_id=97, eos_token_id=96, decoder_start_token_id=95, suppress_tokens=None,
            begin_suppress_tokens=None,
        )  # fmt: skip
    if name.startswith("Wav2Vec2"):
        return t.Wav2Vec2Config(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=37, conv_dim=(16, 16),
            conv_kernel=(10, 3), conv_stride=(5, 4), num_feat_extract_layers=2, num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=2, vocab_size=31,
        )  # fmt: skip
    raise ValueError(f"no tiny `{name}`")


def _input_maker(name):
    import transformers as t

    if name.startswith("GPT2"):
        return tokenizer(eos_token="<end>")
    if name.startswith("ViT"):
        return t.ViTImageProcessor(size={"height": 30, "width": 30})
    if name.startswith("Wav2Vec2"):
        return t.Wav2Vec2FeatureExtractor(return_attention_mask=False)
    return None


def tokenizer(**special):
    """Of whole words; special: its special tokens, none else."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.normalizers import Lowercase
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate([*dict.fromkeys(WORDS), "<unknown>", *special.values()])}
    made = Tokenizer(WordLevel(vocabulary, unk_token="<unknown>"))
    made.normalizer, made.pre_tokenizer = Lowercase(), Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=made, **special)
