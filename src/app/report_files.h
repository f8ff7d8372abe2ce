// crossload.json and report.html of a report, in a folder.
#pragma once

#include <filesystem>

#include "report/report.h"

namespace crossload::app {

/// Writes `crossload.json` and `report.html` into `folder`; each replaces an older one in one step. Throws
/// `kEnvironment` when they cannot be written.
void write_report(const report::Report& report, const std::filesystem::path& folder);

/// A folder for the report of a model that lies elsewhere.
class ReportFolder {
 public:
  /// Throws `kBadInput` when the folder is that of a conversion, or one of the files there is none of an earlier report
  /// of this kind.
  explicit ReportFolder(std::filesystem::path folder);
  /// Makes the folder where it is missing.
  void write(const report::Report& report) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace crossload::app
