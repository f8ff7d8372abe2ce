"""Inputs made up for a model: from its tokenizer and processors where the folder has them, else from its config."""

import contextlib
import inspect

from .errors import WorkerError
from .samples import AUDIO_SAMPLES, BATCH, CHOICES, DECODER_LENGTH, LENGTH, SENTENCES


class Synthetic:
    """Makes sample inputs for one loaded model; `inputs()` gives {forward argument: tensor}.

    Values are fixed (seeded). Text: int64 [batch, length] with padded rows, so that masks hold zeros. Images: float32
    [batch, channels, height, width]. Audio: float32 [batch, samples] or [batch, mel bins, frames].
    """

    def __init__(self, loaded, text=None):
        import torch

        self.model, self.folder, self.text = loaded.model, loaded.folder, text
        self.class_name = loaded.class_name
        self.config = getattr(loaded.model, "config", None)
        self.parameters = dict(inspect.signature(loaded.model.forward).parameters)
        self.random = torch.Generator().manual_seed(20)

    def inputs(self):
        """The sample inputs; bad-input when the model needs some that cannot be made up."""
        if self.config is None:
            raise WorkerError(
                "bad-input", f"{self.class_name}: sample inputs are unknown for a plain module; give them"
            )
        main = getattr(self.model, "main_input_name", None) or "input_ids"
        found = {}
        wants_text = "input_ids" in self.parameters and (main == "input_ids" or self._config_value("vocab_size"))
        if wants_text:
            found.update(self._text_inputs())
            if self._is_multiple_choice():
                found = {name: self._choices(value) for name, value in found.items()}
        elif self.text:
            raise WorkerError("bad-input", f"--text: `{self.class_name}` takes no text; give --inputs")
        if "pixel_values" in self.parameters and self._wants(main, "pixel_values", "vision_config"):
            found["pixel_values"] = self._pixel_values()
        for name in ("input_values", "input_features"):
            if name in self.parameters and self._wants(main, name, "audio_config"):
                found[name] = self._audio(name)
        if "decoder_input_ids" in self.parameters and getattr(self.config, "is_encoder_decoder", False):
            found["decoder_input_ids"] = self._decoder_ids()
        needed = [
            name
            for name, p in self.parameters.items()
            if p.default is inspect.Parameter.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        ]
        lacking = [name for name in needed if name not in found]
        if lacking or not found or (main in self.parameters and main not in found):
            names = ", ".join(f"`{n}`" for n in lacking or [main])
            raise WorkerError(
                "bad-input", f"{self.class_name}: no sample can be made for input {names}; give --inputs FILE.npz"
            )
        return found

    def _wants(self, main, name, part):
        return main == name or getattr(self.config, part, None) is not None or len(self.parameters) == 1

    def _config_value(self, *names, default=None):
        """The first of the names that the config or one of its parts has as a value."""
        for config in self._configs():
            for name in names:
                value = getattr(config, name, None)
                if value is not None:
                    return value
        return default

    def _configs(self):
        if self.config is None:
            return []
        parts = [getattr(self.config, name, None) for name in (getattr(self.config, "sub_configs", None) or {})]
        return [self.config, *[p for p in parts if p is not None]]

    def _free_size(self, wish):
        """The least size from `wish` on that no whole number of the config equals."""
        taken = {v for c in self._configs() for v in vars(c).values() if isinstance(v, int)}
        while wish in taken:
            wish += 1
        return wish

    # Text

    def _text_inputs(self):
        tokenizer = self._part("AutoTokenizer", ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json"))
        if tokenizer is None:
            if self.text:
                raise WorkerError("bad-input", f"--text: {self.folder} has no tokenizer; give --inputs FILE.npz")
            return self._token_ids()
        texts = [self.text, *SENTENCES[1:]] if self.text else SENTENCES
        image = getattr(tokenizer, "image_token", None) or self._image_token(tokenizer)
        if image:
            texts = [f"{image} {t}" for t in texts]
        return self._tokenized(tokenizer, texts)

    def _image_token(self, tokenizer):
        index = self._config_value("image_token_id", "image_token_index")
        return tokenizer.convert_ids_to_tokens(index) if isinstance(index, int) else None

    def _tokenized(self, tokenizer, texts):
        import torch

        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        tokenizer.padding_side = "right"
        limit = self._config_value("max_position_embeddings", "n_positions", default=512)
        rows = tokenizer(texts, truncation=True, max_length=max(2, min(limit, 512)))["input_ids"]
        longest, shortest = max(map(len, rows)), min(map(len, rows))
        length = self._free_size(longest + (longest == shortest))
        if isinstance(limit, int) and length > limit:
            length = longest
        if tokenizer.pad_token_id is None:
            return self._token_ids()
        found = tokenizer(texts, padding="max_length", truncation=True, max_length=length, return_tensors="pt")
        vocabulary = self._config_value("vocab_size")
        if isinstance(vocabulary, int) and int(found["input_ids"].max()) >= vocabulary:
            if not self.text:
                return self._token_ids()
            raise WorkerError(
                "bad-input",
                f"{self.folder}: the tokenizer gives id {int(found['input_ids'].max())}; the config has vocab_size "
                f"{vocabulary}; check the tokenizer",
            )
        return {k: v for k, v in found.items() if k in self.parameters and isinstance(v, torch.Tensor)}

    def _token_ids(self):
        import torch

        vocabulary = int(self._config_value("vocab_size", default=0))
        if vocabulary < 2:
            raise WorkerError("bad-input", f"{self.class_name}: the config has no vocab_size; give --inputs FILE.npz")
        limit = self._config_value("max_position_embeddings", "n_positions", default=LENGTH)
        length = min(self._free_size(LENGTH), limit if isinstance(limit, int) and limit > 1 else LENGTH)
        low = min(vocabulary - 2, 5)
        ids = torch.randint(low, vocabulary, (BATCH, length), generator=self.random)
        end = self._config_value("eos_token_id")
        if isinstance(end, int) and 0 <= end < vocabulary:
            ids[ids == end] = low  # models pool at the first end token
            ids[0, -1] = ids[1, length // 2] = end
        found = {"input_ids": ids}
        if "attention_mask" in self.parameters:
            mask = torch.ones_like(ids)
            mask[1, length // 2 + 1 :] = 0
            padding = self._config_value("pad_token_id")
            if isinstance(padding, int) and 0 <= padding < vocabulary:
                ids[mask == 0] = padding
            found["attention_mask"] = mask
        return found

    def _decoder_ids(self):
        import torch

        vocabulary = int(self._config_value("vocab_size", default=2))
        length = self._free_size(DECODER_LENGTH)
        ids = torch.randint(min(5, vocabulary - 2), vocabulary, (BATCH, length), generator=self.random)
        start = self._config_value("decoder_start_token_id", "bos_token_id", "pad_token_id")
        if isinstance(start, int) and 0 <= start < vocabulary:
            ids[:, 0] = start
        return ids

    def _is_multiple_choice(self):
        """Whether Transformers lists the class among those that take [batch, choices, length]."""
        from transformers.models.auto.modeling_auto import MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES as names

        return self.class_name in names.values()

    def _choices(self, value):
        """[batch, length] to [batch, 3, length]: the rows in turn."""
        import torch

        rows = torch.arange(len(value) * CHOICES) % len(value)
        return value[rows].reshape(len(value), CHOICES, *value.shape[1:]).contiguous()

    # Images and audio

    def _pixel_values(self):
        import numpy
        import torch

        processor = self._part("AutoImageProcessor", ("preprocessor_config.json", "processor_config.json"))
        if processor is not None:
            numbers = numpy.random.default_rng(20)
            images = [numbers.integers(0, 256, (480, 640, 3), dtype=numpy.uint8) for _ in range(BATCH)]
            with contextlib.suppress(Exception):  # processors that want more than images: the config says enough
                return processor(images=images, return_tensors="pt")["pixel_values"]
        size = self._config_value("image_size", "input_size", default=None)
        if isinstance(size, dict):
            size = (size["height"], size["width"])
        height, width = size if isinstance(size, (list, tuple)) else (size, size) if size else (64, 96)
        channels = int(self._config_value("num_channels", "in_channels", "in_chans", default=3))
        frames = self._config_value("num_frames")
        shape = (BATCH, frames, channels, height, width) if frames else (BATCH, channels, height, width)
        return torch.randn(shape, generator=self.random)

    def _audio(self, name):
        import torch

        processor = self._part("AutoFeatureExtractor", ("preprocessor_config.json",))
        if processor is not None:
            wave = torch.randn(BATCH, AUDIO_SAMPLES, generator=self.random).mul(0.1).numpy()
            with contextlib.suppress(Exception):  # extractors that want more than a wave: the config says enough
                rate = getattr(processor, "sampling_rate", 16000)
                return processor(list(wave), sampling_rate=rate, return_tensors="pt", padding=True)[name]
        if name == "input_values":
            bins, frames = self._config_value("num_mel_bins"), self._config_value("max_length")
            if bins and frames:
                return torch.randn(BATCH, frames, bins, generator=self.random)
            return torch.randn(BATCH, AUDIO_SAMPLES, generator=self.random)
        bins = int(self._config_value("num_mel_bins", "feature_size", default=80))
        positions = self._config_value("max_source_positions")
        if positions:
            return torch.randn(BATCH, bins, 2 * positions, generator=self.random)
        return torch.randn(BATCH, 101, bins, generator=self.random)

    def _part(self, auto, files):
        """The folder's tokenizer or processor, or None when it has none that Transformers can load offline."""
        from pathlib import Path

        if self.folder is None or not any((Path(self.folder) / f).is_file() for f in files):
            return None
        import transformers

        try:
            return getattr(transformers, auto).from_pretrained(self.folder, local_files_only=True)
        except Exception:  # noqa: BLE001 (an unusable tokenizer must not stop a conversion)
            return None
