#pragma once

namespace crossload::app {

inline constexpr const char* kVersion = CROSSLOAD_VERSION;

}  // namespace crossload::app
