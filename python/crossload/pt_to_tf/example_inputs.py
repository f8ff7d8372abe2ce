"""What `pt-to-tf` compares with: two sentences, two images, two audio clips. Works with Transformers 4.46 and 5 alike.

The model's own tokenizer and processor make inputs of them; for a part that the folder has no such files for, the
configuration says what the model takes.
"""

import inspect
import sys
from pathlib import Path

from ..errors import WorkerError, first_line

# Those of transformers-cli, so that figures can be compared with those in older pull requests.
SENTENCES = ["Hi there!", "I am a batch with more than one row and different input lengths."]
TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model",
    "tokenizer.model",
)  # fmt: skip
PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")
RATE = 16000  # samples a second
SECONDS = (1.0, 0.7)
LENGTHS = (5, 13)  # tokens of made-up rows


def example_inputs(folder, config, model, dummy_inputs=()):
    """({input name: array}, [note]): whole numbers as int64, everything else as float32.

    folder: of the model; config, model: Transformers' objects; dummy_inputs: names that the model's TensorFlow class
    cannot do without. kind bad-input when the folder's tokenizer or processor cannot be used.
    """
    parameters = inspect.signature(model.forward).parameters
    class_name = type(model).__name__
    maker = _Maker(Path(folder), config, parameters)
    if "input_ids" in parameters:
        maker.add_text()
    if class_name.endswith("ForMultipleChoice"):
        maker.offer_choices()
    if "pixel_values" in parameters:
        maker.add_images()
    if "noise" in parameters and hasattr(config, "mask_ratio") and isinstance(getattr(config, "patch_size", None), int):
        maker.add_noise()
    if "input_features" in parameters:
        maker.add_features()
    elif "input_values" in parameters:
        maker.add_waveforms()
    is_encoder_decoder = getattr(config, "is_encoder_decoder", False)
    has_two_parts = is_encoder_decoder or any(
        hasattr(model, f"{part}encoder") and hasattr(model, f"{part}decoder") for part in ("", "text_")
    )
    # Some give the decoder the text again, shifted, and classify at its end.
    shifts_its_text = is_encoder_decoder and class_name.endswith(("ForSequenceClassification", "ForQuestionAnswering"))
    takes_ids = "decoder_input_ids" in dummy_inputs or (has_two_parts and "decoder_input_ids" in parameters)
    if takes_ids and not shifts_its_text:
        start = getattr(config, "decoder_start_token_id", None) or 0
        maker.found["decoder_input_ids"] = [[start], [start]]
    if not maker.found:
        seen = f"{class_name} takes neither text nor images nor audio"
        raise WorkerError("unsupported", f"{folder}: {seen}; use `crossload weights`, which compares nothing")
    return {name: _array(value) for name, value in maker.found.items()}, maker.notes


class _Maker:
    """found: inputs by name so far; notes: what was made up and why."""

    def __init__(self, folder, config, parameters):
        self.folder, self.config, self.parameters = folder, config, parameters
        self.found, self.notes = {}, []

    def add_text(self):
        tokenizer = self._load("AutoTokenizer", TOKENIZER_FILES)
        if tokenizer is None:
            return self._add_made_up_text()
        if tokenizer.pad_token is None:
            if tokenizer.eos_token is None:
                raise WorkerError(
                    "bad-input", f"{self.folder}: its tokenizer has neither a pad nor an eos token; give it one"
                )
            tokenizer.pad_token = tokenizer.eos_token
            self.notes.append("the tokenizer has no pad token; its eos token pads the shorter sentence")
        self._take(tokenizer(SENTENCES, padding=True, truncation=True, return_tensors="np"))
        return None

    def offer_choices(self):
        """Two questions with the two sentences as choices: [batch, choices, tokens]."""
        import numpy

        for name, value in self.found.items():
            value = numpy.asarray(value)
            self.found[name] = numpy.stack([value, value[::-1]], 1)

    def _add_made_up_text(self):
        import numpy

        text = self.config
        for part in ("text_config", "encoder", "text_encoder"):
            text = getattr(text, part, text) if not hasattr(text, "vocab_size") else text
        size = int(text.vocab_size)
        special = {getattr(text, f"{name}_token_id", None) for name in ("pad", "eos", "bos", "sep", "cls", "mask")}
        usual = [i for i in range(size) if i not in special] or list(range(size))
        pad, end = text.pad_token_id, text.eos_token_id
        ids = numpy.full((len(LENGTHS), max(LENGTHS)), pad if isinstance(pad, int) and 0 <= pad < size else 0)
        mask = numpy.zeros_like(ids)
        for row, length in enumerate(LENGTHS):
            ids[row, :length] = [usual[(7 + 11 * row + 5 * i) % len(usual)] for i in range(length)]
            mask[row, :length] = 1
            if isinstance(end, int) and 0 <= end < size:
                ids[row, length - 1] = end
        self.notes.append("the folder holds no tokenizer; token ids were made up")
        self._take({"input_ids": ids, "attention_mask": mask})

    def add_images(self):
        import numpy

        processor = self._load("AutoImageProcessor", PROCESSOR_FILES)
        high, wide, color = numpy.mgrid[0:32, 0:32, 0:3]
        images = [(high * 7 + wide * 3 + color * 50) % 256, (high * wide + color * 90) % 256]
        images = [image.astype(numpy.uint8) for image in images]
        if processor is not None:
            return self._take(processor(images=images, return_tensors="np"))
        vision = getattr(self.config, "vision_config", getattr(self.config, "encoder", self.config))
        size = getattr(vision, "image_size", None) or getattr(vision, "input_size", None) or 224
        height, width = size if isinstance(size, (list, tuple)) else (size, size)
        channels = int(getattr(vision, "num_channels", 3))
        rows, columns = numpy.arange(int(height)) % 32, numpy.arange(int(width)) % 32
        enlarged = [image[rows][:, columns] for image in images]
        values = numpy.stack([numpy.stack([p[..., c % 3] for c in range(channels)]) for p in enlarged]) / 127.5 - 1
        self.notes.append("the folder holds no image processor; images were scaled to -1 .. 1")
        return self._take({"pixel_values": values})

    def add_noise(self):
        """Numbers by which ViTMAE picks the patches that it sees; left to itself, it draws others in every run."""
        import numpy

        _, _, height, width = numpy.shape(self.found["pixel_values"])
        patch = int(self.config.patch_size)
        shape = (len(self.found["pixel_values"]), (height // patch) * (width // patch))
        self.found["noise"] = numpy.random.default_rng(20).random(shape)

    def add_waveforms(self):
        import numpy

        extractor = self._load("AutoFeatureExtractor", PROCESSOR_FILES)
        if extractor is not None:
            return self._take(extractor(_waveforms(), sampling_rate=RATE, padding=True, return_tensors="np"))
        waveforms = _waveforms()
        values = numpy.zeros((len(waveforms), max(map(len, waveforms))))
        for row, waveform in enumerate(waveforms):
            values[row, : len(waveform)] = (waveform - waveform.mean()) / waveform.std()
        self.notes.append("the folder holds no feature extractor; audio was normalised and padded with zeros")
        return self._take({"input_values": values})

    def add_features(self):
        import numpy

        extractor = self._load("AutoFeatureExtractor", PROCESSOR_FILES)
        if extractor is not None:
            padding = inspect.signature(extractor.__call__).parameters.get("padding")
            strategy = padding.default if padding is not None and padding.default not in (False, None) else True
            strategy = True if strategy is inspect.Parameter.empty else strategy
            return self._take(extractor(_waveforms(), sampling_rate=RATE, padding=strategy, return_tensors="np"))
        config = self.config
        if hasattr(config, "input_feat_per_channel"):
            shape = (2, 104, int(config.input_feat_per_channel) * int(getattr(config, "input_channels", 1)))
        else:
            shape = (2, int(config.num_mel_bins), 2 * int(config.max_source_positions))
        values = numpy.random.default_rng(20).normal(size=shape)
        self.notes.append("the folder holds no feature extractor; audio features were made up")
        return self._take({"input_features": values})

    def _load(self, auto_class, files):
        """The folder's tokenizer or processor; None when none of its files is there."""
        if not any((self.folder / name).is_file() for name in files):
            return None
        import transformers

        failure = None
        for name in (auto_class, "PreTrainedTokenizerFast"):
            try:
                return getattr(transformers, name).from_pretrained(str(self.folder), local_files_only=True)
            except Exception as error:  # noqa: BLE001 (libraries raise anything; it is reported below)
                failure = failure or error
            # Transformers 5 may name a class that 4 does not have; tokenizer.json can be read without it.
            if auto_class != "AutoTokenizer" or not (self.folder / "tokenizer.json").is_file():
                break
        seen = f"`{auto_class}` cannot read the files of its folder ({first_line(failure)})"
        if isinstance(failure, ImportError):
            raise WorkerError("environment", f"{self.folder}: {seen}; install it for {sys.executable}") from failure
        raise WorkerError("bad-input", f"{self.folder}: {seen}; repair or remove them") from failure

    def _take(self, made):
        self.found |= {name: value for name, value in made.items() if name in self.parameters}


def _waveforms():
    """Two audio clips of different lengths: chords that fade in and out."""
    import numpy

    found = []
    for row, seconds in enumerate(SECONDS):
        t = numpy.arange(int(RATE * seconds)) / RATE
        tones = sum(numpy.sin(2 * numpy.pi * f * (1 + row / 3) * t) for f in (220.0, 277.2, 329.6, 1760.0))
        found.append((0.2 * tones * numpy.sin(numpy.pi * t / seconds)).astype(numpy.float32))
    return found


def _array(value):
    import numpy

    value = numpy.asarray(value)
    return value.astype(numpy.float32 if value.dtype.kind == "f" else numpy.int64)
