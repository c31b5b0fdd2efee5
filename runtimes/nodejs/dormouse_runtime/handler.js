'use strict';

/**
 * From the handler setting (`folder/file.export.nested`) to the function.
 *
 * Finds the file as Lambda does: without extension, then `.js` as CommonJS unless the nearest
 * package.json says `"type": "module"`, then `.js` as a module, `.mjs`, `.cjs`, and at last by
 * Node.js's own search from the task root. Every way in which that can fail has Lambda's error
 * type and wording; what the module itself throws passes through.
 */

const fs = require('fs');
const path = require('path');
const errors = require('./errors.js');

/** Loads the module that `setting` names below `taskRoot`; resolves with its handler function. */
async function loadHandler(require, taskRoot, setting) {
  if (setting.includes('..')) {
    throw new errors.MalformedHandlerName(
      `'${setting}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const name = path.basename(setting);
  const folder = setting.slice(0, setting.indexOf(name));
  const dot = name.indexOf('.');
  if (dot < 0) throw new errors.MalformedHandlerName('Bad handler');
  const loaded = await loadModule(require, taskRoot, folder, name.slice(0, dot));
  const handler = name
    .slice(dot + 1)
    .split('.')
    .reduce((value, key) => value && value[key], loaded);
  if (!handler) throw new errors.HandlerNotFound(`${setting} is undefined or not exported`);
  if (typeof handler !== 'function') throw new errors.HandlerNotFound(`${setting} is not a function`);
  return handler;
}

async function loadModule(require, taskRoot, folder, name) {
  try {
    const file = path.resolve(taskRoot, folder, name);
    if (isFile(file)) return require(file);
    const script = isFile(file + '.js');
    const asModule = script && inModulePackage(path.dirname(file));
    if (script && !asModule) return require(file + '.js');
    if (asModule) return await importFile(file + '.js');
    if (isFile(file + '.mjs')) return await importFile(file + '.mjs');
    if (isFile(file + '.cjs')) return require(file + '.cjs');
    return require(require.resolve(name, { paths: [taskRoot, path.resolve(taskRoot, folder)] }));
  } catch (error) {
    if (error instanceof SyntaxError) throw new errors.UserCodeSyntaxError(error);
    if (error?.code === 'MODULE_NOT_FOUND') throw new errors.ImportModuleError(error);
    throw error;
  }
}

function importFile(file) {
  // A path may hold characters that mean something else in a URL.
  return import(require('url').pathToFileURL(file));
}

function isFile(file) {
  return fs.statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
}

/** Whether the nearest package.json at or above `folder` makes `.js` files modules. */
function inModulePackage(folder) {
  for (;;) {
    if (path.basename(folder) === 'node_modules') return false;
    const manifest = path.join(folder, 'package.json');
    if (fs.existsSync(manifest)) {
      try {
        return JSON.parse(fs.readFileSync(manifest, 'utf8'))?.type === 'module';
      } catch (error) {
        console.warn(`${manifest} cannot be read, it will be ignored for ES module detection purposes.`, error);
        return false;
      }
    }
    const parent = path.dirname(folder);
    if (parent === folder) return false;
    folder = parent;
  }
}

module.exports = { loadHandler };
