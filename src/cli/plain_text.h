// Text from files and from other programs, made fit for a terminal.
#pragma once

#include <string>
#include <string_view>

namespace crossload::cli {

/// The text with everything that could steer a terminal or forge a line shown as `?`: control characters, marks that
/// turn the writing direction, and bytes that are no UTF-8.
std::string plain_text(std::string_view text);

/// The same for text of several lines, such as source code: line breaks and tabs stay.
std::string plain_lines(std::string_view text);

}  // namespace crossload::cli
