"""The pages that `asv publish` adds to html/."""
