// The TensorFlow that tests run: that of CROSSLOAD_TENSORFLOW, else the one in .venv, whatever Python made it.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace crossload {

/// The folder of the package; may not exist.
inline std::filesystem::path tensorflow_package() {
  namespace fs = std::filesystem;
  if (const char* variable = std::getenv("CROSSLOAD_TENSORFLOW")) return variable;
  const fs::path libraries = fs::path(CROSSLOAD_SOURCE_DIR) / ".venv/lib";
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(libraries, missing)) {
    const fs::path package = entry.path() / "site-packages/tensorflow";
    if (entry.path().filename().string().starts_with("python3.") && fs::exists(package)) return package;
  }
  return libraries / "python3/site-packages/tensorflow";
}

}  // namespace crossload
