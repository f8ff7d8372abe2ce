// Weight files alone, from one framework's names and layouts to the other's, without Python.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/python_side.h"
#include "names/names.h"

namespace crossload::app {

struct WeightsRequest {
  std::string source;            // a folder, or a weight file or index beside its config.json
  std::filesystem::path target;  // a folder, or a file that ends in `.h5` or `.safetensors`
  std::string format;            // `h5`, `safetensors`; empty: TensorFlow's weights to safetensors, PyTorch's to h5
  std::string max_shard_size = "10GB";
  std::string dtype;            // floats are cast to it; empty: as they are
  std::string class_name;       // empty: the configuration's first architecture
  bool allow_overflow = false;  // numbers too large for `dtype` become infinite; else their tensors keep their dtype
  bool force = false;           // replace weights that are there already, also beside another model's config.json
  std::string revision, token;  // of a Hub id
  bool offline = false;
  /// Where h5py is, for the forms of HDF5 that are not read here. Called only for those; empty: they are refused.
  std::function<PythonSide&()> python;
};

struct WeightsResult {
  enum class Direction { kPtToTf, kTfToPt, kPtToPt } direction = Direction::kPtToTf;
  std::filesystem::path source;    // the weight file or index that was read
  std::filesystem::path folder;    // where the files are
  std::vector<std::string> files;  // that were written, without copied companions
  std::string model_type;          // empty where names stay as they are
  std::string class_name;          // whose names the result has
  std::size_t count = 0;           // tensors that were written
  uint64_t bytes = 0;
  std::vector<names::Note> unused, missing;
  /// A tensor with a number that the asked dtype does not hold.
  struct Overflow {
    std::string name;  // in the source
    double largest;    // absolute value
  };
  std::vector<Overflow> overflows;
  std::string dtype;                      // that was asked for
  bool has_infinities = false;            // whether `overflows` were cast all the same
  std::vector<std::string> other_config;  // how the config.json that stays in DST differs, see `config_fit.h`
  double seconds = 0;
};

/// As Transformers reads `max_shard_size`: `10GB`, `500MB`, `2GiB`, `200KB`, or bytes. Throws `kBadInput`.
uint64_t parse_size(const std::string& text);

/// The folder of a Hub id, with those of its weights that `format` asks for; Python fetches them. Throws what it
/// reports.
std::string fetch_weights(const WeightsRequest& request, PythonSide& python, const Progress& progress);

/// Reads SRC, writes the other framework's file or shards, and copies configuration and tokenizer files. A new
/// or empty folder appears whole or not at all; in one that holds other files each file is whole at any moment, and
/// only companions that are missing there are added. Where floats were cast, config.json says so, see `with_dtype`,
/// also one that lies in DST, unless it describes PyTorch's weights which stay there. Throws `kBadInput` for what
/// cannot be read, for SRC that holds weights of both frameworks when no format was given, and, unless `force`, for
/// weights that are in DST already and for a config.json there that is another model's; Tensors with numbers that
/// `dtype` does not hold keep their dtype and stand in `overflows`; where the result would replace weights that are
/// there already, that is `kBadInput`, and nothing is written. `kUnsupported` for a class without a counterpart in
/// Transformers 4.46; `kEnvironment` when writing fails. on_progress: bytes written and bytes in all; may throw to
/// stop.
WeightsResult convert_weights(const WeightsRequest& request,
                              const std::function<void(uint64_t done, uint64_t all)>& on_progress);

nlohmann::json to_json(const WeightsResult& result);
/// Which tensors hold numbers that the asked dtype does not, and what became of them.
std::string overflow_text(const WeightsResult& result);
/// For people, with line breaks; what is unused or missing in the words of Transformers' loaders.
std::string to_text(const WeightsResult& result, bool verbose);

}  // namespace crossload::app
