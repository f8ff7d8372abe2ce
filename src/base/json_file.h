// JSON files of others.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <nlohmann/json_fwd.hpp>

namespace crossload {

/// What an open file holds; `path` is what messages call it. Throws `kBadInput` when that is no JSON or nests deeper
/// than anything that is read does: it would exhaust the stack of the code that walks it.
nlohmann::json parse_json(std::istream& in, const std::filesystem::path& path);

}  // namespace crossload
