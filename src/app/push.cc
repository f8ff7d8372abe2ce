#include "app/push.h"

namespace crossload::app {
using nlohmann::json;

json push(const PushRequest& request, PythonSide& python, const Progress& progress) {
  json result = python.ask({{"do", "push"},
                            {"out", request.out.string()},
                            {"repo", request.repository},
                            {"message", or_null(request.message)},
                            {"revision", or_null(request.revision)},
                            {"token", or_null(request.token)},
                            {"pr", request.pull_request},
                            {"offline", request.offline}},
                           progress);
  result.erase("event");
  return result;
}

}  // namespace crossload::app
