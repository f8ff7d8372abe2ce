// What the command line was asked for.
#pragma once

#include <string>
#include <vector>

#include "app/against.h"
#include "app/convert.h"
#include "app/port.h"
#include "app/pt_to_tf.h"
#include "app/push.h"
#include "app/weights.h"

namespace crossload::cli {

struct Options {
  app::ConvertRequest request;
  app::AgainstRequest against;  // `target` empty: `request` is meant
  app::PushRequest push;
  app::WeightsRequest weights;
  app::PtToTfRequest pt_to_tf;
  app::PortRequest port;
  std::string python;
  std::vector<std::string> formats = {"savedmodel"};
  std::vector<std::string> dump, reproduce;  // a stage, and a file or folder
  bool no_verify = false;
  bool no_cache = false;
  bool is_static = false;
  bool as_json = false;
  bool quiet = false;
  bool verbose = false;
};

}  // namespace crossload::cli
