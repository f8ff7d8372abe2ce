// Names of a program's inputs and outputs, from the pytree specifications that torch.export records as JSON.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace crossload::program {

// All names of a program are different: of leaves whose names would be equal, as with the keys "1" and 1, the first
// keeps it, later ones are `1_2`, `1_3`, …

/// Field names of namedtuple types, by the type's name.
using NamedTuples = std::map<std::string, std::vector<std::string>, std::less<>>;

/// One name an input leaf, in order: `input_ids`, `past_key_values.layers.0.keys`. The specification is that of a pair
/// of positional and keyword arguments. `argument_names` are torch's `forward_arg_names`; without them, or when they do
/// not fit, positional arguments are `input.0`, `input.1`, … Throws `kBadInput` when the text is no specification.
std::vector<std::string> input_names(std::string_view spec, const std::vector<std::string>& argument_names,
                                     const NamedTuples& namedtuples, const std::string& where);

/// One name an output leaf, in order: field names and keys where the root has such, `output.0` for a single tensor,
/// `output.0`, `output.1`, … for a plain sequence.
std::vector<std::string> output_names(std::string_view spec, const NamedTuples& namedtuples, const std::string& where);

}  // namespace crossload::program
