// What a person reads after a command: a few lines with their line breaks, without control characters from outside.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace crossload::cli {

/// result: what `app::check_model` answers.
std::string check_text(const nlohmann::json& result);
/// result: what `app::push` answers.
std::string push_text(const nlohmann::json& result, bool color);
/// result: what `app::pt_to_tf` answers.
std::string pt_to_tf_text(const nlohmann::json& result, bool color, bool verbose);

/// result: what `app::port_model` answers.
std::string port_text(const nlohmann::json& result, bool color, bool verbose);

}  // namespace crossload::cli
