"""Tiny GPT-2, ViT and BERT models with weights at trained scale, saved as model folders.

Weights are normal with variance 1/fan_in (not Transformers' 0.02, which hides errors), biases and normalization
offsets normal with deviation 0.1, normalization scales around 1. Sizes are distinct from each other where the
architecture allows it. The same seed gives the same folder.

As a script: `python tiny_models.py gpt2 GPT2LMHeadModel /tmp/gpt2_model`.
"""

import sys
from pathlib import Path

HEADS = {
    "bert": [
        "BertModel", "BertForPreTraining", "BertLMHeadModel", "BertForMaskedLM", "BertForNextSentencePrediction",
        "BertForSequenceClassification", "BertForMultipleChoice", "BertForTokenClassification",
        "BertForQuestionAnswering",
    ],
    "gpt2": [
        "GPT2Model", "GPT2LMHeadModel", "GPT2DoubleHeadsModel", "GPT2ForSequenceClassification",
        "GPT2ForTokenClassification", "GPT2ForQuestionAnswering",
    ],
    "vit": ["ViTModel", "ViTForMaskedImageModeling", "ViTForImageClassification"],
}  # fmt: skip


def config(model_type, layers=2):
    """The configuration of a tiny model of that type."""
    import transformers

    if model_type == "bert":
        return transformers.BertConfig(
            vocab_size=99, hidden_size=32, num_hidden_layers=layers, num_attention_heads=4, intermediate_size=37,
            max_position_embeddings=40, type_vocab_size=3, num_labels=5,
        )  # fmt: skip
    if model_type == "gpt2":
        return transformers.GPT2Config(
            vocab_size=99, n_positions=40, n_embd=32, n_layer=layers, n_head=4, n_inner=37, num_labels=5,
            bos_token_id=97, eos_token_id=98, pad_token_id=98,
        )  # fmt: skip
    if model_type == "vit":
        return transformers.ViTConfig(
            hidden_size=32, num_hidden_layers=layers, num_attention_heads=4, intermediate_size=37, image_size=30,
            patch_size=6, num_channels=3, encoder_stride=6, num_labels=5,
        )  # fmt: skip
    raise ValueError(f"no tiny model of type `{model_type}`; one of {', '.join(HEADS)}")


def create(model_type, head=None, seed=0, layers=2):
    """A tiny model in evaluation mode; head is one of HEADS[model_type], default the first."""
    import torch
    import transformers

    torch.manual_seed(seed)
    settings = config(model_type, layers)
    if head and head.endswith("QuestionAnswering"):
        settings.num_labels = 2  # start and end
    model = getattr(transformers, head or HEADS[model_type][0])(settings).eval()
    set_trained_scale(model, seed)
    return model


def set_trained_scale(model, seed=0):
    """Overwrite every parameter: normal with variance 1/fan_in for matrices, near 1 or near 0 for vectors."""
    import torch

    random = torch.Generator().manual_seed(seed)
    output = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    tied = getattr(output, "weight", None)
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = torch.randn(value.shape, generator=random)
            if value.dim() >= 2:
                owner = model.get_submodule(name.rpartition(".")[0])
                transposed = type(owner).__name__ == "Conv1D"
                fan_in = value.shape[0] if transposed else value[0].numel()
                # A table that is only looked up has no fan-in; one that also makes the logits has.
                is_table = isinstance(owner, torch.nn.Embedding) and value is not tied
                value.copy_(noise * (1.0 if is_table else fan_in**-0.5))
            elif name.endswith("weight"):
                value.copy_(1 + 0.1 * noise)
            else:
                value.copy_(0.1 * noise)


def build(model_type, head=None, folder=None, seed=0, layers=2, **save_options):
    """Save a tiny model with save_pretrained and return the folder (a new temporary one by default)."""
    import tempfile

    folder = Path(folder or tempfile.mkdtemp(prefix=f"tiny-{model_type}-"))
    create(model_type, head, seed, layers).save_pretrained(folder, **save_options)
    return folder


if __name__ == "__main__":
    print(build(*sys.argv[1:4]))
