"""Sizes of made-up inputs. They differ from each other, so that an axis tells what it is."""

BATCH = 2
LENGTH = 13
CHOICES = 3
DECODER_LENGTH = 7
AUDIO_SAMPLES = 8037
