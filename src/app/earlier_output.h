// Which files of a converted folder are ours: crossload.json lists them.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "base/output_folder.h"
#include "report/report.h"

namespace crossload::app {

/// The files below a folder that is being written, for its report. All but the weights themselves get a checksum.
std::vector<report::File> files_in(const std::filesystem::path& folder);

/// The files that `folder`'s crossload.json lists, apart from them those that somebody changed since; nothing when
/// there is no such report. A report without a list stands for the SavedModel and the report's own files.
std::optional<EarlierOutput> read_earlier_output(const std::filesystem::path& folder);

/// What `folder`'s crossload.json lists; for a report that is written anew beside the same files.
std::vector<report::File> listed_files(const std::filesystem::path& folder);

/// The model that `folder`'s crossload.json is about, as the user named it, with its class: `bert (BertModel)`; empty
/// when there is no such report.
std::string model_listed(const std::filesystem::path& folder);

}  // namespace crossload::app
