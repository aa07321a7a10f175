# Warnings are errors in our own code; system headers are exempt.
add_library(mansio_options INTERFACE)
target_compile_options(mansio_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror
  -Wno-missing-field-initializers
  # GCC 12 sees overlapping copies in std::string where there are none (its bug 105329).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
target_include_directories(mansio_options INTERFACE ${CMAKE_SOURCE_DIR})

# CRC32C uses the SSE4.2 instruction where the compiler targets x86-64.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_compile_options(-msse4.2)
endif()

if(MANSIO_SANITIZE)
  add_compile_options(-fsanitize=${MANSIO_SANITIZE} -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${MANSIO_SANITIZE})
  if(MANSIO_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
  if(MANSIO_SANITIZE MATCHES "thread")
    # std::atomic_thread_fence inside system headers; TSan does not model it.
    add_compile_options(-Wno-tsan)
  endif()
endif()

# Unity builds (see the presets) compile a target's sources in a few pieces, which takes a third of the
# time. NO_UNITY is for targets whose sources use equal names in their unnamed namespaces.

# mansio_library(NAME SOURCES a.cc … DEPS x y … [NO_UNITY]): a static library with the project's warnings.
function(mansio_library name)
  cmake_parse_arguments(ARG "NO_UNITY" "" "SOURCES;DEPS" ${ARGN})
  if(ARG_SOURCES)
    add_library(${name} STATIC ${ARG_SOURCES})
    target_link_libraries(${name} PUBLIC ${ARG_DEPS} PRIVATE mansio_options)
    target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
    if(ARG_NO_UNITY)
      set_target_properties(${name} PROPERTIES UNITY_BUILD OFF)
    endif()
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE ${ARG_DEPS})
    target_include_directories(${name} INTERFACE ${CMAKE_SOURCE_DIR})
  endif()
endfunction()

# mansio_binary(NAME SOURCES … DEPS …): an executable in build/<preset>/bin.
function(mansio_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} mansio_options)
endfunction()

# mansio_test(NAME LABEL unit|model|integration SOURCES … DEPS … [TIMEOUT seconds] [THREADS] [NO_UNITY]): a
# GoogleTest binary. Unit tests and those with THREADS are run with ThreadSanitizer, too.
function(mansio_test name)
  cmake_parse_arguments(ARG "NO_UNITY;THREADS" "LABEL;TIMEOUT" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main mansio_options)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  if(ARG_NO_UNITY)
    set_target_properties(${name} PROPERTIES UNITY_BUILD OFF)
  endif()
  add_test(NAME ${name} COMMAND ${name})
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  set(labels ${ARG_LABEL})
  if(ARG_THREADS OR ARG_LABEL STREQUAL unit)
    list(APPEND labels threads)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${labels}" TIMEOUT ${ARG_TIMEOUT})
endfunction()
