// Files of single stages that a comparison can write.
#pragma once

#include <filesystem>
#include <string>

namespace crossload::app {

/// A module of the model, and where its values go.
struct StageFile {
  std::string stage;
  std::filesystem::path path;  // empty: not asked for
};
struct StageFiles {
  StageFile dump;       // an .npz: the stage's inputs and both outputs
  StageFile reproduce;  // a folder: a script of that one stage
};

}  // namespace crossload::app
