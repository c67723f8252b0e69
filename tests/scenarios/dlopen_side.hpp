// What dlopen.cpp asks of dlopen_side.cpp and dlopen_none.cpp, which are compiled for several implementations.
#pragma once

#include <gsskey/core/error.hpp>
#include <gsskey/gss/platform/tables.hpp>

#include <string>

struct Side {
  gsskey::Result<gsskey::Capabilities> (*capabilities)();
  gsskey::Result<std::string> (*session)();  // whom the acceptor of a whole session has seen
  std::string (*library_build)() = nullptr;  // empty, if it is not found
};

const Side& mit_side();
const Side& heimdal_side();
const Side& missing_side();     // a library that is not there
const Side& incomplete_side();  // one without gss_wrap
const Side& bare_side();        // one with the functions of RFC 2744 only
