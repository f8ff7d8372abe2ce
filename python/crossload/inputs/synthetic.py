"""Inputs made up for a model: from its tokenizer and processors where the folder has them, else from its config.

Text-only models have one form of input. Images and audio have several (one image a row or several, a waveform or a
spectrogram, patches with their grid), and no config says which: they are tried on the model, simple ones first.
"""

import inspect
import itertools
import re

from ..errors import WorkerError, first_line
from . import media
from .sizes import BATCH, CHOICES, DECODER_LENGTH, LENGTH

SENTENCES = [
    "A conversion is only worth something when it is checked, number by number.",
    "The cat sat on the mat.",
]

# What a model says when its text holds too few or too many placeholder tokens for the features of its images or audio.
_MISMATCH = re.compile(r"tokens:? (\d+),? (?:and )?features:? (?:torch\.Size\(\[)?(\d+)", re.IGNORECASE)


class Synthetic:
    """Makes sample inputs for one loaded model; `inputs()` gives {forward argument: tensor}.

    Values are fixed (seeded). Text: int64 [batch, length] with padded rows, so that masks hold zeros. Images: float32
    [batch, channels, height, width]. Audio: float32 [batch, samples] or [batch, mel bins, frames].
    """

    def __init__(self, loaded, text=None):
        self.model, self.folder, self.text = loaded.model, loaded.folder, text
        self.class_name = loaded.class_name
        self.config = getattr(loaded.model, "config", None)
        self.parameters = dict(inspect.signature(loaded.model.forward).parameters)
        self.main = getattr(self.model, "main_input_name", None) or "input_ids"
        self.placeholders = {"image": 1, "video": 1, "audio": 1}  # tokens a row that stand for features

    def inputs(self):
        """The sample inputs; bad-input when the model needs some that cannot be made up."""
        if self.config is None:
            raise WorkerError(
                "bad-input", f"{self.class_name}: sample inputs are unknown for a plain module; give them"
            )
        forms = self._forms()
        if len(forms) == 1:
            return self._checked(self._made(forms[0]))
        failure = None
        for form in forms:
            found = self._made(form)
            if self._lacking(found):
                continue
            error = self._failure(found, form)
            if error is None:
                return self._made(form)
            failure = failure or error
        if failure is None:
            return self._checked(self._made(forms[0]))
        raise WorkerError(
            "bad-input",
            f"{self.class_name}: none of {len(forms)} sample inputs that were made up fits ({first_line(failure)}); "
            "give --inputs FILE.npz",
        )

    def _checked(self, found):
        lacking = self._lacking(found)
        if lacking:
            names = ", ".join(f"`{n}`" for n in lacking)
            raise WorkerError(
                "bad-input", f"{self.class_name}: no sample can be made for input {names}; give --inputs FILE.npz"
            )
        return found

    def _lacking(self, found):
        needed = [
            name
            for name, p in self.parameters.items()
            if p.default is inspect.Parameter.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        ]
        if not found or (self.main in self.parameters and self.main not in found and not needed):
            needed.append(self.main)
        return [name for name in dict.fromkeys(needed) if name not in found]

    def _forms(self):
        """The combinations of forms to try: {"images", "audio", "optional"}."""
        images = media.image_forms(self) if self._has_images() else [None]
        audio = media.audio_forms(self) if self._has_audio() else [None]
        if images == [None] and audio == [None]:
            return [{"images": None, "audio": None, "optional": False}]
        return [
            {"images": i, "audio": a, "optional": optional}
            for optional, i, a in itertools.product((False, True), images, audio)
        ]

    def _failure(self, found, form):
        """The exception that the model raises on the inputs, or None when it runs. When it complains about the number of
        placeholder tokens, the number that it asks for is tried."""
        import torch

        error = None
        for _ in range(4):
            try:
                with torch.no_grad():
                    self.model(**{n: v.clone() for n, v in found.items()})
                return None
            except Exception as failed:  # noqa: BLE001 (whatever a model raises: the next form is tried)
                error = failed
            mismatch = _MISMATCH.search(str(error))
            kind = next((k for k in ("audio", "video", "image") if k in str(error).lower()), None)
            if mismatch is None or kind is None or int(mismatch[2]) % BATCH or not 0 < int(mismatch[2]) <= 65536:
                return error
            count = int(mismatch[2]) // BATCH
            if self.placeholders[kind] == count:  # some count a feature's numbers
                count //= max(1, int(self.value("hidden_size", default=1)))
            if count < 1 or self.placeholders[kind] == count:
                return error
            self.placeholders[kind] = count
            found = self._made(form)
        return error

    def _made(self, form):
        import torch

        self.random = torch.Generator().manual_seed(20)
        found = {}
        if self._has_text():
            found.update(self._text_inputs())
            if self._is_listed("MULTIPLE_CHOICE"):  # [batch, choices, length]
                found = {name: self._choices(value) for name, value in found.items()}
        elif self.text:
            raise WorkerError("bad-input", f"--text: `{self.class_name}` takes no text; give --inputs")
        self.ids = found.get("input_ids")
        if form["images"]:
            found.update(media.images(self, form["images"]))
        if form["audio"]:
            found.update(media.audio(self, form["audio"]))
        if "decoder_input_ids" in self.parameters and self._decodes():
            found["decoder_input_ids"] = self._decoder_ids()
        if "bbox" in self.parameters and "input_ids" in found:
            found["bbox"] = self._boxes(found["input_ids"])
        if form["optional"] and "input_ids" in found and "decoder_input_ids" in self.parameters:
            found.setdefault("decoder_input_ids", self._decoder_ids())
        if form["optional"]:
            media.add_optional(self, found, form)
        return found

    # What the model takes

    def _has_text(self):
        return "input_ids" in self.parameters and (self.main == "input_ids" or bool(self.value("vocab_size")))

    def _has_images(self):
        names = [n for n in media.IMAGES if n in self.parameters]
        if names == ["hidden_states"] and not any(n in self.parameters for n in media.GRIDS):
            return False
        return bool(names) and (
            self.main in names or len(self.parameters) == 1 or self._has_part("vision") or self._is_needed(names)
        )

    def _has_audio(self):
        names = [n for n in media.AUDIO if n in self.parameters]
        return bool(names) and (
            self.main in names or len(self.parameters) == 1 or self._has_part("audio") or self._is_needed(names)
        )

    def _has_part(self, kind):
        parts = {"vision": ("vision_config", "vit_config", "vq_config", "vision_encoder_config", "backbone_config")}
        names = parts.get(kind, ("audio_config", "audio_encoder_config", "speech_config"))
        return any(getattr(self.config, name, None) is not None for name in names)

    def _is_needed(self, names):
        return any(self.parameters[n].default is inspect.Parameter.empty for n in names)

    def _decodes(self):
        """Whether the decoder's tokens are an input of their own. Sequence classifiers make them from the text."""
        is_pair = bool(getattr(self.config, "is_encoder_decoder", False))
        return is_pair and not self._is_listed("SEQUENCE_CLASSIFICATION")

    def value(self, *names, default=None):
        """The first of the names that the config or one of its parts has as a value."""
        for config in self._configs():
            for name in names:
                try:
                    value = getattr(config, name, None)
                except Exception:  # noqa: BLE001 (fields that vary by layer refuse to be read)
                    value = None
                if value is not None:
                    return value
        return default

    def _configs(self):
        found, waiting = [], [self.config] if self.config is not None else []
        while waiting:
            config = waiting.pop(0)
            found.append(config)
            names = getattr(config, "sub_configs", None)
            if names is None:  # Transformers 4 does not tell its parts
                names = [name for name, part in vars(config).items() if hasattr(part, "model_type")]
            waiting += [part for name in names if hasattr(part := getattr(config, name, None), "to_dict")]
        return found

    def free_size(self, wish):
        """The smallest size, at least `wish`, that equals no integer of the config."""
        taken = {v for c in self._configs() for v in vars(c).values() if type(v) is int}
        while wish in taken:
            wish += 1
        return wish

    # Text

    def _text_inputs(self):
        tokenizer = self.part("AutoTokenizer", ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json"))
        if tokenizer is None:
            if self.text:
                raise WorkerError("bad-input", f"--text: {self.folder} has no tokenizer; give --inputs FILE.npz")
            return self._token_ids()
        texts = [self.text, *SENTENCES[1:]] if self.text else SENTENCES
        special = [self._token_text(tokenizer, kind) * self.placeholders[kind] for kind in self._media_kinds()]
        return self._tokenized(tokenizer, [" ".join([*special, t]) for t in texts] if any(special) else texts)

    def _media_kinds(self):
        """The kinds of features for which the text must hold placeholder tokens."""
        kinds = []
        if self._has_images() and self.media_token("image") is not None:
            kinds.append("image")
        if self._has_audio() and self.media_token("audio") is not None:
            kinds.append("audio")
        if "pixel_values_videos" in self.parameters and not kinds and self.media_token("video") is not None:
            kinds.append("video")
        return kinds

    def media_token(self, kind):
        """The id of the token that stands for a feature of an image, a video or audio; None without one."""
        found = self.value(f"{kind}_token_id", f"{kind}_token_index", f"{kind}_context_token_id")
        return found if type(found) is int else None

    def _token_text(self, tokenizer, kind):
        return tokenizer.convert_ids_to_tokens(self.media_token(kind)) or ""

    def _tokenized(self, tokenizer, texts):
        import torch

        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        tokenizer.padding_side = "right"
        limit = self.value("max_position_embeddings", "n_positions", default=512)
        cut = max(2, min(limit, 512 + sum(self.placeholders.values())))
        rows = tokenizer(texts, truncation=True, max_length=cut)["input_ids"]
        longest, shortest = max(map(len, rows)), min(map(len, rows))
        length = self.free_size(longest + (longest == shortest))
        if isinstance(limit, int) and length > limit:
            length = longest
        if tokenizer.pad_token_id is None:
            return self._token_ids()
        found = tokenizer(texts, padding="max_length", truncation=True, max_length=length, return_tensors="pt")
        vocabulary = self.value("vocab_size")
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

        vocabulary = self.value("vocab_size", "num_hash_buckets", default=0)
        if type(vocabulary) is not int or vocabulary < 2:
            raise WorkerError("bad-input", f"{self.class_name}: the config has no vocab_size; give --inputs FILE.npz")
        limit = self.value("max_position_embeddings", "n_positions", default=LENGTH)
        length = min(self.free_size(LENGTH), limit if type(limit) is int and limit > 1 else LENGTH)
        low = min(vocabulary - 2, 5)
        special = {self.media_token(k) for k in ("image", "video", "audio")} | self._special_ids()
        allowed = torch.tensor([i for i in range(low, vocabulary) if i not in special] or [low])
        ids = allowed[torch.randint(0, len(allowed), (BATCH, length), generator=self.random)]
        end = self.value("eos_token_id")
        if type(end) is int and 0 <= end < vocabulary:
            ids[ids == end] = low  # models pool at the first end token
            ids[0, -1] = ids[1, length // 2] = end
        mask = torch.ones_like(ids)
        mask[1, length // 2 + 1 :] = 0
        padding = self.value("pad_token_id")
        if "attention_mask" in self.parameters and type(padding) is int and 0 <= padding < vocabulary:
            ids[mask == 0] = padding
        for kind in self._media_kinds():
            tokens = torch.full((BATCH, self.placeholders[kind]), self.media_token(kind))
            ids = torch.cat([ids[:, :1], tokens, ids[:, 1:]], 1)
            mask = torch.cat([mask[:, :1], torch.ones_like(tokens), mask[:, 1:]], 1)
        found = {"input_ids": ids}
        if "attention_mask" in self.parameters:
            found["attention_mask"] = mask
        return found

    def _special_ids(self):
        """Ids with a special meaning for the model: those of markers around images and audio."""
        found = set()
        for config in self._configs():
            for name, value in vars(config).items():
                if re.search(r"_token_(id|index)$", name) and type(value) is int:
                    found.add(value)
        return found

    def _decoder_ids(self):
        import torch

        vocabulary = int(self.value("vocab_size", default=2))
        length = self.free_size(DECODER_LENGTH)
        ids = torch.randint(min(5, vocabulary - 2), vocabulary, (BATCH, length), generator=self.random)
        start = self.value("decoder_start_token_id", "bos_token_id", "pad_token_id")
        if isinstance(start, int) and 0 <= start < vocabulary:
            ids[:, 0] = start
        return ids

    def _boxes(self, ids):
        """Left, top, right, bottom of each token on a page of 1000 by 1000 (or what the config says)."""
        import torch

        size = min(1000, (self.value("max_2d_position_embeddings", default=1024)) - 1)
        corners = torch.randint(0, size, (*ids.shape, 4), generator=self.random)
        low, high = corners[..., :2], corners[..., 2:]
        return torch.cat([torch.minimum(low, high), torch.maximum(low, high)], -1)

    def _is_listed(self, task):
        """Whether Transformers lists the class among those for a task."""
        from transformers.models.auto import modeling_auto

        return self.class_name in getattr(modeling_auto, f"MODEL_FOR_{task}_MAPPING_NAMES").values()

    def _choices(self, value):
        """[batch, length] to [batch, 3, length]: the rows repeated in their order."""
        import torch

        rows = torch.arange(len(value) * CHOICES) % len(value)
        return value[rows].reshape(len(value), CHOICES, *value.shape[1:]).contiguous()

    def part(self, auto, files):
        """The folder's tokenizer or processor, or None when it has none that Transformers can load offline."""
        from pathlib import Path

        if self.folder is None or not any((Path(self.folder) / f).is_file() for f in files):
            return None
        import transformers

        try:
            return getattr(transformers, auto).from_pretrained(self.folder, local_files_only=True)
        except Exception:  # noqa: BLE001 (an unusable tokenizer must not stop a conversion)
            return None
