# An overlay port, of the sources that it lies in; not tested with vcpkg:
# vcpkg install gsskey --overlay-ports=.github/packaging/vcpkg
set(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../../..")
set(VCPKG_BUILD_TYPE release) # headers
set(VCPKG_POLICY_SKIP_MISPLACED_CMAKE_FILES_CHECK enabled) # share/cmake/gsskey, where find_package looks, too

vcpkg_cmake_configure(SOURCE_PATH "${SOURCE_PATH}/include")
vcpkg_cmake_install()
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
