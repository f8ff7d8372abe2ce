"""Inputs for audio; exceptions/audio.py says whose they are."""

from .tensors import ints, ones


def spoken_text(token, *counts):
    """Text of two rows: a word, placeholders for the features of an audio clip, 12 words; the second row ends padded."""
    length = 13 + max(counts)
    ids, mask = ints(90, 2, length, low=10), ones(2, length)
    for row, count in enumerate(counts):
        ids[row, 1 : 1 + count] = token
    mask[1, 13 + counts[1] - 4 :] = 0
    return {"input_ids": ids, "attention_mask": mask}


def rows_a_codebook(config):
    return {"input_ids": ints(128, 2 * config.num_codebooks, 7)}
