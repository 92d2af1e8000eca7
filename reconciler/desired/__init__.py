"""What a commit declares, read without touching the work tree or any server.

    git        -> Tree                 a commit's files from git objects, or the work tree's
    parse      -> Document             YAML 1.2, each key with its line
    ground     -> Ground               environment, overlays, templates
    reading    -> Resource, Approval   expressions, instances, patches, validation: document by document
    load       -> Desired              references, credentials, everything wrong at once
    output, schema                     back to YAML; JSON Schema for editors

Decided here: values are put in after the YAML is parsed, never before (`expressions`, `capture`), so that no value can
become structure. A line is looked up only for a message. Jinja2 and the credential scanner are imported only by
desired state that needs them. Rejected: Jinja2 over the raw YAML (a value could inject a document), `yaml.safe_load`
(see `parse`), a checkout for older commits (it would write over the user's work).
"""
