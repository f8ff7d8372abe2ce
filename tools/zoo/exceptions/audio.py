"""Exceptions for models of audio. See __init__.py for what an entry may hold."""

import torch
import transformers
from inputs.audio import rows_a_codebook, spoken_text
from inputs.tensors import floats, ints, padded_mask

from .vision import SLOW_WIDTHS


def bark_fine_acoustics(config):
    """Bark's last part, that fills in the fine codes."""
    return transformers.BarkFineModel(config.fine_acoustics_config)


def gemma4_unified_audio_embedder(config):
    """What Gemma 4 has instead of an audio model: a norm and a matrix on pieces of the waveform."""
    from transformers.models.gemma4_unified.modeling_gemma4_unified import Gemma4UnifiedMultimodalEmbedder

    return Gemma4UnifiedMultimodalEmbedder(config, transformers.Gemma4UnifiedTextConfig(hidden_size=48))


CLAP_AUDIO = {
    "patch_embeds_hidden_size": 16,
    "hidden_size": 128,
    "depths": [1, 2, 1, 1],
    "num_attention_heads": [2, 2, 4, 4],
}


# Parts of pe_audio_video.
PE_AUDIO_VIDEO = {
    "audio_config": {"dac_config": {"encoder_hidden_size": 8, "downsampling_ratios": [2, 8, 10, 12]}},
    "video_config": {
        "vision_config": transformers.ViTConfig(
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=96,
            image_size=64,
            num_labels=40,
        )
    },
}


def fill_codebooks(model):
    """Random entries for codebooks that are no parameters."""
    for name, value in model.named_buffers():
        if name.endswith(("codebook.embed", "codebook.embed_sum")):
            value.copy_(floats(*value.shape))


MIMI = {"upsample_groups": 64, "vector_quantization_hidden_dimension": 64, "num_filters": 8}


EXCEPTIONS = {
    "bark": {
        "reason": "the whole model has no forward, it only generates; its fine acoustics part stands for it",
        "class": bark_fine_acoustics,
        "inputs": lambda config: {
            "codebook_idx": 3,
            "input_ids": ints(config.input_vocab_size, 2, 13, config.n_codes_total),
            "attention_mask": padded_mask(2, 13),
        },
    },
    "clap": {"reason": SLOW_WIDTHS, "config": {"audio_config": CLAP_AUDIO}},
    "clap_audio_model": {"reason": SLOW_WIDTHS, "config": CLAP_AUDIO},
    "csm": {
        "reason": "groups of the codec's upsampling must divide its width",
        "config": {"codec_config": MIMI},
    },
    "dac": {
        "reason": "its last convolutions have thousands of channels by default",
        "config": {"encoder_hidden_size": 8, "decoder_hidden_size": 64},
    },
    "dia": {
        "reason": "the decoder takes one token a channel",
        "extra": lambda config, inputs: {
            "decoder_input_ids": ints(100, 2, 7, config.decoder_config.num_channels, low=5)
        },
    },
    "dia_decoder": {
        "reason": "takes one token a channel, and what the encoder gives",
        "inputs": lambda config: {
            "input_ids": ints(100, 2, 7, config.num_channels, low=5),
            "attention_mask": padded_mask(2, 7),
            "encoder_hidden_states": floats(2, 13, config.cross_hidden_size),
            "encoder_attention_mask": padded_mask(2, 13),
        },
    },
    "dots3_note_audio_encoder": {
        "reason": "adapter_input_size must equal hidden_size; takes the length of each audio clip in samples",
        "config": {
            "hidden_size": 64,
            "num_attention_heads": 4,
            "adapter_input_size": 64,
            "adapter_out_dim": 48,
            "downsample_hidden_size": 32,
        },
        "inputs": lambda config: {
            "input_features": floats(2, config.feature_size, 104),
            "chunk_sample_lengths": torch.tensor([104 * config.hop_length, 70 * config.hop_length]),
        },
    },
    "encodec": {
        "reason": "codebooks that start at 0 say nothing",
        "config": {"num_filters": 8},
        "prepare": fill_codebooks,
    },
    "fastspeech2_conformer_hifigan": {
        "reason": "takes a spectrogram; widths halve four times",
        "config": {"upsample_initial_channel": 64},
        "inputs": lambda config: {"spectrogram": floats(2, 13, config.model_in_dim)},
    },
    "fun_asr_nano": {
        "reason": "the adaptor's intermediate_size must be a quarter of the text's hidden_size; frames come stacked",
        "config": {
            "audio_config": {"num_hidden_layers": 3, "num_timestamp_prediction_layers": 1},
            "adaptor_config": {"hidden_size": 64, "intermediate_size": 16},
        },
        "inputs": lambda config: {
            **spoken_text(config.audio_token_id, 23, 16),
            "input_features": floats(2, 23, config.audio_config.input_size),
            "input_features_mask": padded_mask(2, 23),
        },
    },
    "fun_asr_nano_encoder": {
        "reason": "takes seven frames stacked in one",
        "config": {"num_hidden_layers": 3, "num_timestamp_prediction_layers": 1},
        "inputs": lambda config: {
            "input_features": floats(2, 23, config.input_size),
            "input_features_mask": padded_mask(2, 23),
        },
    },
    "gemma3n_audio": {
        "reason": "its inputs have names of their own; the mask is true where there is padding",
        "config": {"sscp_conv_channel_size": (16, 8), "hidden_size": 64, "conf_num_attention_heads": 4},
        "inputs": lambda config: {
            "audio_mel": floats(2, 104, config.input_feat_size),
            "audio_mel_mask": padded_mask(2, 104) == 0,
        },
    },
    "gemma4_audio": {
        "reason": "its width after the convolutions is right only for as many mel bins as the first has channels",
        "config": {"subsampling_conv_channels": [128, 8], "output_proj_dims": 48},
        "inputs": lambda config: {"input_features": floats(2, 104, 128), "attention_mask": padded_mask(2, 104)},
    },
    "gemma4_unified_audio": {
        "reason": "a part without a model class; the module that its parent makes of it stands for it",
        "class": gemma4_unified_audio_embedder,
        "inputs": lambda config: {"inputs_embeds": floats(2, 13, config.audio_embed_dim)},
    },
    "glmasr": {
        "reason": "four frames are joined to one, so the encoder's intermediate_size must be 4 * hidden_size",
        "config": {"audio_config": {"intermediate_size": 256}},
    },
    "granite_speech5_ctc": {
        "reason": "takes four frames stacked in one; a third layer that does not halve the frames",
        "config": {"encoder_config": {"num_hidden_layers": 3, "context_size": 16}},
        "inputs": lambda config: {
            "input_features": floats(2, 104, 4 * config.encoder_config.num_mel_bins),
            "attention_mask": padded_mask(2, 104),
        },
    },
    "granite_speech5_encoder": {
        "reason": "takes four frames stacked in one; a third layer that does not halve the frames",
        "config": {"num_hidden_layers": 3, "context_size": 16},
        "inputs": lambda config: {
            "input_features": floats(2, 104, 4 * config.num_mel_bins),
            "attention_mask": padded_mask(2, 104),
        },
    },
    "granite_speech_encoder": {
        "reason": "takes frames under the name hidden_states",
        "config": {"context_size": 16},
        "inputs": lambda config: {"hidden_states": floats(2, 45, config.input_dim)},
    },
    "granite_speech_plus_encoder": {
        "reason": "takes frames under the name hidden_states; cat_hidden_layers is what it has beyond granite_speech",
        "config": {"context_size": 16, "cat_hidden_layers": [1]},
        "inputs": lambda config: {"hidden_states": floats(2, 45, config.input_dim)},
    },
    "higgs_audio_v2_tokenizer": {"unbuilt": "needs the package torchaudio, whose wheel needs a CUDA build of PyTorch"},
    "inkling_audio": {
        "reason": "takes one code a mel bin",
        "inputs": lambda config: {"audio_input_ids": ints(config.mel_vocab_size, 2, 13, config.n_mel_bins)},
    },
    "kyutai_speech_to_text": {
        "reason": "takes a token of text and one of each codebook a step",
        "config": {
            "codebook_vocab_size": 65,
            "num_codebooks": 8,
            "codec_config": MIMI,
        },
        "inputs": lambda config: {
            "input_ids": torch.cat([ints(100, 2, 13, 1, low=5), ints(64, 2, 13, config.num_codebooks)], -1),
            "attention_mask": padded_mask(2, 13),
        },
    },
    "mimi": {
        "reason": "groups of the upsampling must divide the width; codebooks that start at 0 say nothing",
        "config": MIMI,
        "prepare": fill_codebooks,
    },
    "mimi_decoder": {
        "reason": "groups of the upsampling must divide the width; takes latents",
        "config": {"upsample_groups": 64, "num_filters": 8},
        "inputs": lambda config: {"latents": floats(2, config.hidden_size, 13)},
    },
    "moonshine_streaming": {
        "reason": "the class does not declare num_key_value_heads, which its decoder asks for",
        "config": {"num_key_value_heads": 4},
        "extra": lambda config, inputs: {"input_values": floats(2, 5760) * 0.1, "attention_mask": padded_mask(2, 5760)},
    },
    "moshi_depth": {
        "reason": "takes a token of text and those of all codebooks but the last",
        "config": {"input_size": 48},
        "inputs": lambda config: {
            "input_ids": ints(120, 2, config.num_codebooks, low=5),
            "last_hidden_state": floats(2, 1, config.input_size),
        },
    },
    "musicgen": {
        "reason": "MusicgenModel is only its decoder; one row of decoder_input_ids a codebook",
        "class": "MusicgenForConditionalGeneration",
        "config": {"audio_encoder": {"num_filters": 8}},
        "extra": lambda config, inputs: {"decoder_input_ids": ints(128, 2 * config.decoder.num_codebooks, 7)},
        "inputs_for": {"MusicgenForCausalLM": rows_a_codebook},
    },
    "musicgen_decoder": {
        "reason": "one row of input_ids a codebook; takes what the text encoder gives",
        "inputs": lambda config: {
            "input_ids": ints(config.vocab_size, 2 * config.num_codebooks, 7),
            "attention_mask": padded_mask(2, 7),
            "encoder_hidden_states": floats(2, 13, config.hidden_size),
            "encoder_attention_mask": padded_mask(2, 13),
        },
    },
    "musicgen_melody": {
        "reason": "MusicgenMelodyModel is only its decoder; a row of decoder_input_ids a codebook; takes a chromagram",
        "class": "MusicgenMelodyForConditionalGeneration",
        "config": {"audio_encoder": {"num_filters": 8}, "chroma_length": 31},
        "extra": lambda config, inputs: {
            "decoder_input_ids": ints(128, 2 * config.decoder.num_codebooks, 7),
            "input_features": floats(2, 11, config.num_chroma),
        },
        "inputs_for": {"MusicgenMelodyForCausalLM": rows_a_codebook},
    },
    "musicgen_melody_decoder": {
        "reason": "one row of input_ids a codebook; takes what text encoder and chromagram give",
        "inputs": lambda config: {
            "input_ids": ints(config.vocab_size, 2 * config.num_codebooks, 7),
            "attention_mask": padded_mask(2, 7),
            "encoder_hidden_states": floats(2, 13, config.hidden_size),
            "encoder_attention_mask": padded_mask(2, 13),
        },
    },
    "nemo_speechlm": {
        "reason": "state-space groups must divide their heads; kinds of layers are those of the checkpoint",
        "config": {
            "text_config": {
                "layers_block_type": ["linear_attention", "moe", "full_attention"],
                "n_groups": 2,
                "num_key_value_heads": 2,
            },
        },
        "inputs": lambda config: {
            **spoken_text(config.audio_token_id, 13, 9),
            "input_features": floats(2, 104, config.audio_config.asr_config.num_mel_bins),
            "input_features_mask": padded_mask(2, 104),
        },
    },
    "nemotron3_5_transcribe_word_timestamp": {
        "reason": "takes what the speech encoder gives",
        "inputs": lambda config: {
            "inputs_embeds": floats(2, 13, config.hidden_size),
            "attention_mask": padded_mask(2, 13),
        },
    },
    "neucodec": {
        "reason": "takes a waveform and the spectrogram of it, two frames in one; quantization_dim is both widths together",
        "config": {"quantization_dim": 128, "encoder_hidden_size": 8},
        "inputs": lambda config: {
            "input_values": floats(2, 1, 17 * config.encoder_hop_length) * 0.1,
            "input_features": floats(2, 17, config.semantic_model_config.feature_projection_input_dim),
            "padding_mask": (torch.arange(17 * config.encoder_hop_length) < torch.tensor([[5440], [2240]])).long(),
            "input_features_mask": padded_mask(2, 17),
        },
    },
    "pe_audio": {
        "reason": "its codec has convolutions with thousands of channels by default",
        "config": {"audio_config": PE_AUDIO_VIDEO["audio_config"]},
    },
    "pe_audio_encoder": {
        "reason": "its codec has convolutions with thousands of channels by default",
        "config": PE_AUDIO_VIDEO["audio_config"],
    },
    "phi4_multimodal_audio": {
        "reason": "takes frames under the name hidden_states, and a mask; its convolutions have widths of their own",
        "config": {"ext_pw_out_channel": 64, "depthwise_separable_out_channel": 64, "nemo_conv_channels": 32},
        "inputs": lambda config: {
            "hidden_states": floats(2, 104, config.input_size),
            "mask": padded_mask(2, 104).bool(),
        },
    },
    "pocket_tts_audio_tokenizer_decoder": {
        "reason": "groups of the upsampling must divide the width; takes latents",
        "config": {"upsample_groups": 64, "num_filters": 8},
        "inputs": lambda config: {"latents": floats(2, config.hidden_size, 13)},
    },
    "qwen2_audio": {
        "reason": "one placeholder for each feature of a clip, as its processor writes them; the form with one a clip is "
        "taken apart outside of exports",
        "inputs": lambda config: {
            **spoken_text(config.audio_token_id, 64, 37),
            "input_features": floats(2, config.audio_config.num_mel_bins, 2 * config.audio_config.max_source_positions),
            "feature_attention_mask": (torch.arange(256) < torch.tensor([[256], [150]])).long(),
        },
    },
    "speech-encoder-decoder": {
        "reason": "takes a waveform under the name of its encoder's input; the decoder must be one with cross attention",
        "config": {"decoder": {"is_decoder": True, "add_cross_attention": True}},
        "inputs": lambda config: {
            "input_values": floats(2, 8037) * 0.1,
            "attention_mask": padded_mask(2, 8037),
            "decoder_input_ids": ints(120, 2, 7, low=5),
        },
    },
    "speecht5": {
        "reason": "SpeechT5Model has neither of its ends and takes vectors; the class from speech to text has both",
        "class": "SpeechT5ForSpeechToText",
        "inputs_for": {
            "SpeechT5ForTextToSpeech": lambda c: {
                "input_ids": ints(80, 2, 13, low=5),
                "attention_mask": padded_mask(2, 13),
                "decoder_input_values": floats(2, 7, c.num_mel_bins),
                "speaker_embeddings": floats(2, c.speaker_embedding_dim),
            }
        },
    },
    "speecht5_hifigan": {
        "reason": "takes a spectrogram; widths halve four times",
        "config": {"upsample_initial_channel": 64},
        "inputs": lambda config: {"spectrogram": floats(2, 13, config.model_in_dim)},
    },
    "univnet": {
        "reason": "turns noise into audio: noise that is drawn inside cannot be compared, so it is given",
        "extra": lambda config, inputs: {"noise_sequence": floats(2, 104, config.model_in_channels)},
    },
    "vibevoice": {
        "reason": "the widths of its codecs are 64 times num_filters; by default it adds noise to its encoding",
        "config": {
            "audio_config": {"num_filters": 4},
            "semantic_model_config": {"hidden_size": 48, "num_filters": 4},
        },
        "extra": lambda config, inputs: {"sample": False},
    },
    "vibevoice_acoustic_tokenizer": {
        "reason": "its widths are 64 times num_filters; by default it adds noise to its encoding",
        "config": {"num_filters": 4},
        "extra": lambda config, inputs: {"sample": False},
    },
    "vibevoice_acoustic_tokenizer_decoder": {
        "reason": "its widths are 64 times num_filters; takes latents",
        "config": {"num_filters": 4},
        "inputs": lambda config: {"hidden_states": floats(2, config.hidden_size, 3)},
    },
    "vibevoice_acoustic_tokenizer_encoder": {
        "reason": "its widths are 64 times num_filters; takes a waveform under the name hidden_states",
        "config": {"num_filters": 4},
        "inputs": lambda config: {"hidden_states": floats(2, 1, 9600) * 0.1},
    },
    "vibevoice_asr": {
        "reason": "widths of its codecs are 64 times num_filters; pieces of audio must be whole steps; no noise",
        "config": {
            "acoustic_tokenizer_encoder_config": {"num_filters": 4},
            "semantic_tokenizer_encoder_config": {"hidden_size": 48, "num_filters": 4},
            "acoustic_tokenizer_chunk_size": 6400,
        },
        "inputs": lambda config: {
            **spoken_text(config.audio_token_id, 3, 2),
            "input_values": floats(2, 1, 9600) * 0.1,
            "padding_mask": padded_mask(2, 9600),
            "sample": False,
        },
    },
    "vibevoice_diffusion": {
        "reason": "takes noise, the time and what the text model says",
        "config": {"latent_size": 40},
        "inputs": lambda config: {
            "noisy_images": floats(2, config.latent_size),
            "timesteps": torch.tensor([999.0, 250.0]),
            "condition": floats(2, config.hidden_size),
        },
    },
    "vits": {
        "reason": "its results depend on random numbers; their scale is 0 here, so that results can be compared",
        "config": {"noise_scale": 0.0, "noise_scale_duration": 0.0, "upsample_initial_channel": 64},
    },
    "voxtral": {
        "reason": "four steps are joined to one, so intermediate_size must be 4 * hidden_size; no default audio token",
        "config": {"audio_config": {"intermediate_size": 256}, "audio_token_id": 127},
    },
    "voxtral_realtime_text": {
        "reason": "takes a vector of the delay, which its parent makes",
        "extra": lambda config, inputs: {"t_cond": floats(1, config.hidden_size)},
    },
    "xcodec": {
        "reason": "both encoders must make as many steps; codebooks are as wide as both and must not be 0",
        "config": {
            "codebook_dim": None,
            "acoustic_model_config": {
                "encoder_hidden_size": 8,
                "hidden_size": 32,
                "decoder_hidden_size": 64,
                "downsampling_ratios": [8, 5, 4, 2],
                "upsampling_ratios": [8, 5, 4, 2],
            },
        },
        "prepare": fill_codebooks,
    },
    "xcodec2": {
        "reason": "takes a waveform and the spectrogram of it, two frames in one; quantization_dim is both widths together",
        "config": {"quantization_dim": 128, "encoder_hidden_size": 8},
        "inputs": lambda config: {
            "input_values": floats(2, 1, 17 * config.hop_length) * 0.1,
            "input_features": floats(2, 17, config.semantic_model_config.feature_projection_input_dim),
            "padding_mask": padded_mask(2, 17 * config.hop_length),
            "input_features_mask": padded_mask(2, 17),
        },
    },
}
