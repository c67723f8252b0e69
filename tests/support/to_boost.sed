# What turns a program that uses standalone Asio into one that uses Boost.Asio.
s|include\([ (]\)<asio/|include\1<boost/asio/|
s|#include <asio\.hpp>|#include <boost/asio.hpp>|
s/\basio::/boost::asio::/g
s/\bASIO_VERSION\b/BOOST_ASIO_VERSION/g
# std::error_code{code} is a conversion, and stays one.
s/\bstd::error_code\b\([^{]\)/boost::system::error_code\1/g
s/\bstd::system_error\b/boost::system::system_error/g
s|"support/asio\.hpp"|"support_asio.hpp"|
s|"support/loop_kdc\.hpp"|"support_loop_kdc.hpp"|
