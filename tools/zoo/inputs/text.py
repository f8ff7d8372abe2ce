"""Inputs for text; exceptions/text.py says whose they are."""

import torch

from .tensors import floats, ints, padded_mask


def esmfold_msa_inputs(config):
    """7 residues, an alignment of 5 sequences; the last two residues of the second row are padding."""
    mask = padded_mask(2, 7)[:, :, None].repeat(1, 1, 5).float()
    letters = torch.nn.functional.one_hot(ints(config.num_res_types, 2, 7, 5), config.num_res_types)
    return {
        "pair_states": floats(2, 7, 7, config.pairwise_hidden_size),
        "single_inputs": floats(2, 7, config.single_inputs_size),
        "msa_one_hot": letters * mask[..., None],
        "has_deletion": ints(2, 2, 7, 5).float(),
        "deletion_value": floats(2, 7, 5).abs(),
        "msa_attention_mask": mask,
    }


def questions(config):
    """Two question tokens in the first row, one in the second."""
    ids, mask = ints(100, 2, 13, low=5), padded_mask(2, 13)
    ids[0, [3, 7]] = ids[1, 2] = config.question_token_id
    ids[mask == 0] = config.pad_token_id
    return {"input_ids": ids, "attention_mask": mask}
