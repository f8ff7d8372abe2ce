// The two files of a report.
#pragma once

#include <filesystem>

#include "report/report.h"

namespace crossload::app {

/// Writes `crossload.json` and `report.html` into `folder`; each replaces an older one in one step. Throws
/// `kEnvironment` when they cannot be written.
void write_report(const report::Report& report, const std::filesystem::path& folder);

}  // namespace crossload::app
