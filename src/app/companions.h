// What a user of a converted model needs beside the weights: configuration, tokenizer, licence.
#pragma once

#include <cstdint>
#include <filesystem>

namespace crossload::app {

/// Whether a file of a model's folder is such a companion, by its name.
bool is_companion(const std::filesystem::path& file);

/// Copies those of a folder, as they are. sentence-transformers' folders with a `config.json` come along. Throws
/// `kEnvironment`.
void copy_companions(const std::filesystem::path& from, const std::filesystem::path& to);

/// Bytes of what `copy_companions` copies.
uint64_t size_of_companions(const std::filesystem::path& folder);

}  // namespace crossload::app
