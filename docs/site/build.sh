#!/usr/bin/env bash
# Builds the site of the documentation in build/docs/site, and checks every link of its pages.
#
# The pages are README.md, docs/ and what they link to, at the places that they have in the
# repository, so that one set of links serves both.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=build/docs/tools pages=build/docs/pages
made=$(cat docs/site/requirements.txt)

if [ "$(cat $tools/made 2>/dev/null)" != "$made" ]; then
    echo 'docs: installing mkdocs'
    rm -rf $tools
    "${PYTHON:-python3}" -m venv $tools
    $tools/bin/pip install -q --disable-pip-version-check -r docs/site/requirements.txt
    echo "$made" >$tools/made
fi

rm -rf $pages build/docs/site
mkdir -p $pages
made_of=(README.md CHANGELOG.md CONTRIBUTING.md docs/*.md bench/results/*.md bindings/README.md
    bindings/*/README.md)
cp --parents "${made_of[@]}" LICENSE $pages
# The others that pages link to, by their relative links.
for page in "${made_of[@]}"; do
    grep -oE '\]\([^) ]+\)' "$page" | sed -E 's/^\]\(//; s/\)$//; s/#.*//' |
        grep -vE '^$|^[a-z]+:' | while read -r link; do
        file=$(realpath -m --relative-to=. "$(dirname "$page")/$link")
        [ ! -f "$file" ] || [ -f "$pages/$file" ] || cp --parents "$file" $pages
    done || true
done
# With -q it would count no warnings, and strict would find none.
NO_MKDOCS_2_WARNING=1 $tools/bin/mkdocs build -f docs/site/mkdocs.yml >build/docs/log 2>&1 || {
    grep -E 'WARNING|ERROR|Aborted' build/docs/log >&2
    exit 1
}
count=$(find build/docs/site -name '*.html' | wc -l)
echo "docs: $count pages in build/docs/site; each link leads somewhere"
