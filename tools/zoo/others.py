"""`./dev zoo --others`: converts architectures of timm and diffusers with random weights and compares them; writes their own
section of docs/coverage.md and leaves the rest of it. Runs in .venv-others, where these two libraries are.

    NAME…          only these; the section then keeps the other rows
    --no-docs      print only
"""

import argparse
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import coverage
import torch

ROOT = Path(__file__).parents[2]

# One of each family, in its smallest form. Image sizes where the default 64 is too small for the windows or the stem.
TIMM = {
    "resnet18": 64, "resnetv2_50": 64, "regnetx_002": 64, "densenet121": 64, "vgg11_bn": 64, "mobilenetv2_050": 64,
    "mobilenetv3_small_050": 64, "mobilenetv4_conv_small_035": 64, "efficientnet_b0": 64, "tf_efficientnetv2_b0": 64,
    "mnasnet_050": 64, "ghostnet_050": 64, "hrnet_w18_small": 64, "dla34": 64, "res2net50_26w_4s": 64,
    "repvgg_a0": 64, "convnext_atto": 64, "convnextv2_atto": 64, "nfnet_f0": 64, "vit_tiny_patch16_224": 224,
    "deit_tiny_patch16_224": 224, "swin_tiny_patch4_window7_224": 224, "mixer_s32_224": 224, "resmlp_12_224": 224,
    "poolformer_s12": 64, "coat_lite_tiny": 224, "xcit_nano_12_p16_224": 224, "levit_128s": 224, "edgenext_xx_small": 64,
    "mobilevit_xxs": 64,
}  # fmt: skip


# The wheel of torchvision on PyPI is built for CUDA and its operators cannot be loaded beside a PyTorch for the CPU. timm
# wants its image transforms alone; torchvision wants these operators declared when it is imported.
def declare_operators_of_torchvision():
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library  # as long as it lives, they are there


def timm_model(name):
    import timm

    size = TIMM[name]
    model = timm.create_model(name, pretrained=False, num_classes=10)
    return model, {"x": torch.randn(2, 3, size, size)}


def unet2d():
    from diffusers import UNet2DModel

    model = UNet2DModel(
        sample_size=16, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, attention_head_dim=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    return model, {"sample": torch.randn(2, 3, 16, 16), "timestep": torch.tensor([3, 7])}


def unet2d_condition():
    from diffusers import UNet2DConditionModel

    model = UNet2DConditionModel(
        sample_size=16, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, attention_head_dim=4,
        cross_attention_dim=12, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )  # fmt: skip
    return model, {
        "sample": torch.randn(2, 4, 16, 16), "timestep": torch.tensor([3, 7]), "encoder_hidden_states": torch.randn(2, 5, 12),
    }  # fmt: skip


def autoencoder_kl():
    from diffusers import AutoencoderKL

    model = AutoencoderKL(
        block_out_channels=(8, 16), norm_num_groups=4, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    )  # fmt: skip
    return model, {"sample": torch.randn(2, 3, 16, 16)}


def vq_model():
    from diffusers import VQModel

    model = VQModel(
        block_out_channels=(8, 16), norm_num_groups=4, latent_channels=3, num_vq_embeddings=16,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    )  # fmt: skip
    return model, {"sample": torch.randn(2, 3, 16, 16)}


def dit():
    from diffusers import DiTTransformer2DModel

    model = DiTTransformer2DModel(
        num_attention_heads=2, attention_head_dim=8, num_layers=2, in_channels=4, sample_size=8, patch_size=2, norm_num_groups=4,
        num_embeds_ada_norm=10,
    )  # fmt: skip
    return model, {
        "hidden_states": torch.randn(2, 4, 8, 8), "timestep": torch.tensor([3, 7]), "class_labels": torch.tensor([1, 4]),
    }  # fmt: skip


def sd3():
    from diffusers import SD3Transformer2DModel

    model = SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, num_layers=2, attention_head_dim=8, num_attention_heads=2,
        joint_attention_dim=16, caption_projection_dim=16, pooled_projection_dim=16, out_channels=4, pos_embed_max_size=8,
    )  # fmt: skip
    return model, {
        "hidden_states": torch.randn(2, 4, 8, 8), "encoder_hidden_states": torch.randn(2, 5, 16),
        "pooled_projections": torch.randn(2, 16), "timestep": torch.tensor([3, 7]),
    }  # fmt: skip


def flux():
    from diffusers import FluxTransformer2DModel

    model = FluxTransformer2DModel(
        patch_size=1, in_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=16, pooled_projection_dim=16, axes_dims_rope=(4, 4, 8),
    )  # fmt: skip
    return model, {
        "hidden_states": torch.randn(2, 6, 4), "encoder_hidden_states": torch.randn(2, 5, 16),
        "pooled_projections": torch.randn(2, 16), "timestep": torch.tensor([0.3, 0.7]),
        "img_ids": torch.arange(18.0).reshape(6, 3), "txt_ids": torch.zeros(5, 3),
    }  # fmt: skip


def autoencoder_tiny():
    from diffusers import AutoencoderTiny

    model = AutoencoderTiny(
        encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8), num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1),
    )  # fmt: skip
    return model, {"sample": torch.rand(2, 3, 16, 16)}


def pixart():
    from diffusers import PixArtTransformer2DModel

    model = PixArtTransformer2DModel(
        num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=8, num_layers=2, cross_attention_dim=16,
        sample_size=8, patch_size=2, caption_channels=12, use_additional_conditions=False,
    )  # fmt: skip
    return model, {
        "hidden_states": torch.randn(2, 4, 8, 8), "encoder_hidden_states": torch.randn(2, 5, 12), "timestep": torch.tensor([3, 7]),
    }  # fmt: skip


DIFFUSERS = {
    "UNet2DModel": unet2d, "UNet2DConditionModel": unet2d_condition, "AutoencoderKL": autoencoder_kl, "VQModel": vq_model,
    "DiTTransformer2DModel": dit, "SD3Transformer2DModel": sd3, "FluxTransformer2DModel": flux,
    "AutoencoderTiny": autoencoder_tiny, "PixArtTransformer2DModel": pixart,
}  # fmt: skip


def convert(name):
    """One architecture: {"library", "name", "verdict", "dynamic", "max_error", "noise", "seconds", "reason"}."""
    import crossload
    from subjects import set_trained_scale

    start = time.time()
    entry = {"library": "timm" if name in TIMM else "diffusers", "name": name, "verdict": None, "dynamic": False}
    torch.manual_seed(0)
    try:
        model, inputs = timm_model(name) if name in TIMM else DIFFUSERS[name]()
        set_trained_scale(model.eval())
        with tempfile.TemporaryDirectory() as folder:
            report = crossload.convert(model, f"{folder}/out", inputs=inputs).report_dict
    except Exception as error:  # noqa: BLE001 (the row tells it)
        details = "; ".join(str(d) for d in getattr(error, "details", [])[:2])
        first = (str(error).splitlines() or [type(error).__name__])[0]
        entry["reason"] = f"{first} {details}".strip()[:400]
    else:
        # What is compared has another batch among its shapes only where the first axes are dynamic.
        batches = {next(iter(shape["inputs"].values()))[0] for shape in report["shapes"]}
        worst = max(report["outputs"], key=lambda o: float(o["max_error"]))
        entry |= {
            "verdict": report["verdict"], "dynamic": len(batches) > 1, "max_error": worst["max_error"], "noise": worst["noise"],
        }  # fmt: skip
        if report["verdict"] not in ("verified", "within-noise"):
            entry["reason"] = "; ".join(report["notes"])[:400] or "a difference"
    return {**entry, "seconds": round(time.time() - start, 1)}


def main():
    parser = argparse.ArgumentParser(prog="./dev zoo --others", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*TIMM, *DIFFUSERS, []], metavar="NAME")
    parser.add_argument("--no-docs", action="store_true")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore")
    declared = declare_operators_of_torchvision()  # noqa: F841
    entries = []
    for name in arguments.names or [*TIMM, *DIFFUSERS]:
        entry = convert(name)
        print(f"{name:<32}{entry['verdict'] or 'failed':<14}{entry.get('max_error', entry.get('reason'))}", flush=True)
        entries.append(entry)
        if not arguments.no_docs:
            coverage.write_others([entry], ROOT / "docs", list({**TIMM, **DIFFUSERS}))
    good = [e for e in entries if e["verdict"] in ("verified", "within-noise")]
    print(
        f"{len(entries)} architectures: {len(good)} verified or within noise, {sum(e['dynamic'] for e in good)} with dynamic batch"
    )
    return 0 if len(good) == len(entries) else 1


if __name__ == "__main__":
    sys.exit(main())
