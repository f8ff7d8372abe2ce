"""Repairs of classes that Transformers 4.46 left broken; without them no naming of the weights gives equal outputs."""


def repair_transfo_xl():
    import torch

    type_as = torch.Tensor.type_as
    torch.Tensor.type_as = lambda self, other=None, dtype=None: (
        self.to(dtype) if other is None else type_as(self, other)
    )


def repair_openai_gpt():
    import torch
    from transformers.models.openai import modeling_openai

    modeling_openai.ACT_FNS["gelu"] = torch.nn.functional.gelu


def repair_data2vec_vision():
    import tensorflow as tf
    from transformers.models.data2vec import modeling_tf_data2vec_vision

    def call(self, x):
        levels = [conv(pool(x)) for pool, conv in self.layer_list]
        return [tf.image.resize(level, size=tf.shape(x)[1:-1], method="bilinear") for level in levels]

    modeling_tf_data2vec_vision.TFData2VecVisionPyramidPoolingModule.call = call


def repair_idefics():
    import tensorflow as tf
    from transformers.models.idefics import modeling_tf_idefics

    invert = modeling_tf_idefics.invert_attention_mask
    modeling_tf_idefics.invert_attention_mask = lambda mask: invert(tf.cast(mask, tf.float32))


# By model type: the repair, which classes it concerns (their names' ends), and what is wrong without it.
REPAIRS = {
    "transfo-xl": (
        repair_transfo_xl,
        "",
        "PyTorch's class calls `type_as` with an argument that it has not, and stops",
    ),
    "openai-gpt": (
        repair_openai_gpt,
        "",
        "PyTorch's class approximates GELU by tanh, TensorFlow's does not: outputs differ by 5e-4",
    ),
    "data2vec-vision": (
        repair_data2vec_vision,
        "SemanticSegmentation",
        "TensorFlow's class feeds each level of the pooling pyramid with the level before: outputs differ by 1e-1",
    ),
    "idefics": (
        repair_idefics,
        "",
        "TensorFlow's class takes an integer image mask for one that hides every image and adds -1000 to all"
        " scores, which rounds them: outputs differ by 2e-5 from PyTorch's where the mask hides none, by 1 where it hides some."
        " With the mask in float32 it needs no repair",
    ),
}


def repair(model_type):
    if model_type in REPAIRS:
        REPAIRS[model_type][0]()


def repaired(case):
    """What was wrong with the class of a case, or None."""
    _, end, reason = REPAIRS.get(case["type"], (None, "", None))
    return reason if case["class"].endswith(end) else None
